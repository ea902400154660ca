// While a question is typed: those published that ask the same thing. The text is sent in a body, kept nowhere;
// without this script they are shown before the question is sent.

const QUIET = 700
const SHORTEST = 12

const text = document.querySelector("textarea[name=text]")
const here = document.querySelector("[data-similar]")
// What is shown comes from our own server, from the template of a page.
const policy = window.trustedTypes?.createPolicy("proches", { createHTML: (html) => html })

if (text && here) {
  let timer = 0
  let asked = ""
  text.addEventListener("input", () => {
    clearTimeout(timer)
    timer = setTimeout(ask, QUIET)
  })

  async function ask() {
    const now = text.value.trim()
    if (now === asked) return
    asked = now
    if (now.length < SHORTEST) return show("")
    try {
      const answer = await fetch(here.dataset.similar, { method: "POST", body: new URLSearchParams({ text: now }), credentials: "omit" })
      if (asked === now) show(answer.status === 200 ? await answer.text() : "")
    } catch {
      // The network is away: they will be shown before the question is sent.
    }
  }

  function show(html) {
    here.innerHTML = policy ? policy.createHTML(html) : html
    here.classList.toggle("fr-mb-3w", html.trim() !== "")
  }
}
