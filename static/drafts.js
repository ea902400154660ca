// A form marked data-draft is kept by the server a few seconds after each change, and says so. What cannot
// be sent stays in this tab alone (sessionStorage), and is offered back in it; nothing is kept once saved.

const QUIET = 2000
const AT_LEAST_EVERY = 10000
const AGAIN_IN = 10000

// The page a save leads to says that it is done: what the tab kept of it is forgotten.
const JUST_SENT = "brouillon envoyé"
const justSent = sessionStorage.getItem(JUST_SENT)
if (justSent && document.querySelector("main .fr-alert--success")) sessionStorage.removeItem(justSent)
sessionStorage.removeItem(JUST_SENT)

for (const form of document.querySelectorAll("form[data-draft]")) {
  const said = form.querySelector("[data-draft-said]")
  if (said) keep(form, said)
}

function keep(form, said) {
  const kept = `brouillon ${form.dataset.draft}`
  let sent = content()
  let waitsSince = 0
  let timer = 0
  let sending = null
  let offering = false
  let leaving = false

  form.addEventListener("input", wait)
  form.addEventListener("change", wait)
  window.addEventListener("online", () => { if (changed()) save() })
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && changed() && !leaving) beacon()
  })
  form.addEventListener("submit", (event) => {
    clearTimeout(timer)
    // A draft that arrived after the save would come back as a ghost.
    if (sending) {
      event.preventDefault()
      sending.finally(() => form.requestSubmit(event.submitter))
      return
    }
    leaving = true
    stow()
    sessionStorage.setItem(JUST_SENT, kept)
  })
  offer()

  function content() {
    const typed = new URLSearchParams(new FormData(form))
    typed.set("brouillon", form.dataset.draft)
    return typed.toString()
  }

  function changed() {
    return content() !== sent
  }

  function wait() {
    clearTimeout(timer)
    waitsSince ||= Date.now()
    timer = setTimeout(save, Math.max(0, Math.min(QUIET, waitsSince + AT_LEAST_EVERY - Date.now())))
  }

  function save() {
    clearTimeout(timer)
    if (sending || leaving || !changed()) return
    waitsSince = 0
    sending = send(content()).finally(() => {
      sending = null
      if (changed() && !timer) wait()
    })
  }

  async function send(body) {
    timer = 0
    try {
      const answer = await fetch(said.dataset.address, { method: "POST", body: new URLSearchParams(body), redirect: "error" })
      if (answer.ok) {
        sent = body
        if (!offering) {
          sessionStorage.removeItem(kept)
          say(await answer.text())
        }
        return
      }
      stow(body)
      say(answer.status === 401 || answer.status === 403 ? said.dataset.expired : said.dataset.refused)
      if (answer.status < 500) sent = body
    } catch {
      stow(body)
      say(said.dataset.failed)
      timer = setTimeout(save, AGAIN_IN)
    }
  }

  function beacon() {
    const body = content()
    if (body.length < 60000 && navigator.sendBeacon(said.dataset.address, new URLSearchParams(body))) sent = body
  }

  function stow(body = content()) {
    if (offering) return
    try {
      sessionStorage.setItem(kept, body)
    } catch {
      // A full or closed storage: the text is still in the form.
    }
  }

  function say(text) {
    if (!offering) said.textContent = text
  }

  function offer() {
    const body = sessionStorage.getItem(kept)
    if (!body) return
    if (words(body) === words(sent)) {
      sessionStorage.removeItem(kept)
      return
    }
    offering = true
    said.textContent = said.dataset.found
    said.append(document.createElement("br"), button(said.dataset.resume, () => put(new URLSearchParams(body))), button(said.dataset.forget, () => {}))
  }

  function words(body) {
    const typed = new URLSearchParams(body)
    typed.delete("edition")
    return typed.toString()
  }

  function button(text, then) {
    const made = document.createElement("button")
    made.type = "button"
    made.className = "fr-btn fr-btn--sm fr-btn--secondary"
    made.textContent = text
    made.addEventListener("click", () => {
      offering = false
      sessionStorage.removeItem(kept)
      said.textContent = ""
      then()
    })
    return made
  }

  function put(typed) {
    for (const field of form.elements) {
      if (!field.name || !("value" in field) || field.type === "submit") continue
      if (field.type === "checkbox" || field.type === "radio") field.checked = typed.getAll(field.name).includes(field.value)
      else if (typed.has(field.name)) field.value = typed.get(field.name)
    }
    form.dispatchEvent(new Event("input", { bubbles: true }))
    for (const text of form.querySelectorAll("textarea")) text.dispatchEvent(new Event("input", { bubbles: true }))
  }
}
