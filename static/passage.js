// While a passage of the minutes is typed: its preview, what a word processor pastes, the commitments it cites.
// The server makes the HTML and the Markdown; nothing here is needed to write.

const text = document.querySelector("textarea[name=text]")
const preview = document.querySelector("[data-preview]")
const pasting = document.querySelector("[data-paste]")
const cited = document.querySelector("[data-cited]")
// The preview comes from our own server, through the allow-list of the public page.
const policy = window.trustedTypes?.createPolicy("apercu", { createHTML: (html) => html })

if (text && preview) showAsTyped()
if (text && pasting) text.addEventListener("paste", paste)
if (text && cited) proposeCommitments()

// -- Preview ------------------------------------------------------------------------------------------------

function showAsTyped() {
  const here = preview.querySelector("[data-preview-here]")
  let timer = 0
  let asked = null
  preview.classList.remove("od-scripted")
  document.querySelector("[data-preview-button]").hidden = true
  preview.open = preview.open || window.matchMedia("(min-width: 62em)").matches
  preview.addEventListener("toggle", ask)
  text.addEventListener("input", () => {
    clearTimeout(timer)
    timer = setTimeout(ask, 400)
  })
  ask()

  async function ask() {
    if (!preview.open || asked === text.value) return
    const now = (asked = text.value)
    try {
      const body = new URLSearchParams({ text: now, forum: preview.dataset.forum })
      const answer = await fetch(preview.dataset.preview, { method: "POST", body })
      if (!answer.ok || asked !== now) return
      const html = await answer.text()
      if (asked === now) here.innerHTML = policy ? policy.createHTML(html) : html
    } catch {
      asked = null
    }
  }
}

// -- Paste from a word processor ------------------------------------------------------------------------------

function paste(event) {
  const html = event.clipboardData?.getData("text/html") ?? ""
  const plain = event.clipboardData?.getData("text/plain") ?? ""
  if (!/<(h[1-6]|li|a|b|strong|em|i|table|blockquote)\b|mso-list/i.test(html)) return
  event.preventDefault()
  markdownOf(html, plain)
}

async function markdownOf(html, plain) {
  pasting.textContent = pasting.dataset.working
  let made = null
  try {
    if (html.length < 900000) {
      const answer = await fetch(pasting.dataset.paste, { method: "POST", body: new URLSearchParams({ html }) })
      if (answer.ok) made = await answer.text()
    }
  } catch {
    made = null
  }
  insert(made ?? plain)
  pasting.textContent = made === null ? pasting.dataset.failed : pasting.dataset.done
}

function insert(words) {
  text.focus()
  // The only way that leaves « undo » working.
  if (!document.execCommand("insertText", false, words)) {
    text.setRangeText(words, text.selectionStart, text.selectionEnd, "end")
    text.dispatchEvent(new Event("input", { bubbles: true }))
  }
}

// -- Commitments cited ------------------------------------------------------------------------------------------

function proposeCommitments() {
  const shown = new Map()
  let timer = 0
  text.addEventListener("input", () => {
    clearTimeout(timer)
    timer = setTimeout(propose, 300)
  })
  document.getElementById("commitments")?.addEventListener("change", propose)
  propose()

  function propose() {
    const numbers = new Set([...text.value.matchAll(/(?<![\p{L}\p{N}_])(?:E|engagement\s+(?:n[°o]\s*)?)(\d{1,4})(?![\p{L}\p{N}_])/giu)].map((found) => Number(found[1])))
    for (const [number, item] of shown) {
      if (!numbers.has(number) || box(number)?.checked) {
        item.remove()
        shown.delete(number)
      }
    }
    for (const number of numbers) {
      if (!shown.has(number) && box(number) && !box(number).checked) shown.set(number, offer(number))
    }
  }

  function box(number) {
    return document.querySelector(`input[name=commitments][value="${number}"]`)
  }

  function offer(number) {
    const item = document.createElement("li")
    const button = document.createElement("button")
    const title = document.querySelector(`label[for="${box(number).id}"] > span`)?.textContent.trim().replace(/^\d+\.\s*/, "") ?? ""
    button.type = "button"
    button.className = "fr-btn fr-btn--sm fr-btn--secondary"
    button.textContent = `${cited.dataset.tie} ${number} – ${title}`
    button.addEventListener("click", () => {
      const ticked = box(number)
      ticked.checked = true
      ticked.closest("details")?.setAttribute("open", "")
      ticked.dispatchEvent(new Event("change", { bubbles: true }))
      text.focus()
    })
    item.append(button)
    cited.append(item)
    return item
  }
}
