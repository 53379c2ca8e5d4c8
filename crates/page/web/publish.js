// A message that somebody types. Only there where the server was told to let the page publish.

import { h, put } from "./dom.js";
/** @import { Store } from "./store.js" */

/**
 * @param {Store} store
 * @param {HTMLDialogElement} dialog
 */
export function publisher(store, dialog) {
  const subject = h("input", { name: "subject", required: true, placeholder: "orders.eu.paid", spellcheck: "false", autocapitalize: "off", list: "subjects" });
  const known = h("datalist", { id: "subjects" });
  const headers = h("textarea", { name: "headers", rows: 2, placeholder: "Nats-Msg-Id: 17", spellcheck: "false" });
  const payload = h("textarea", { name: "payload", rows: 8, placeholder: '{"order": 17}', spellcheck: "false" });
  const outcome = h("p", { role: "status" });
  const send = h("button", { type: "submit", class: "accent" }, "Publish");
  const form = h(
    "form",
    {},
    h("label", {}, "Subject", subject), known,
    h("label", {}, "Headers, one a line", headers),
    h("label", {}, "Payload", payload),
    outcome,
    h("div", { class: "line" }, send, h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close")),
  );
  dialog.replaceChildren(h("h2", { id: "publish-title" }, "Publish a message"), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const lines = headers.value.split("\n").filter((line) => line.trim() !== "");
    const pairs = lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
    if (lines.some((line) => line.indexOf(":") < 1)) {
      put(outcome, "A header is a name, a colon and a value.");
      outcome.className = "error";
      return;
    }
    send.disabled = true;
    try {
      const response = await fetch("/page/api/publish", {
        method: "POST",
        headers: { "content-type": "application/json", "x-watershed-token": store.token ?? "" },
        body: JSON.stringify({ subject: subject.value.trim(), headers: pairs, payload: payload.value }),
      });
      const said = await response.json();
      if (!response.ok) throw new Error(said.error);
      put(outcome, `Stored in ${said.stream} as #${said.sequence}${said.duplicate ? ", as before" : ""}.`);
      outcome.className = "good";
    } catch (problem) {
      put(outcome, problem instanceof Error ? problem.message : String(problem));
      outcome.className = "error";
    }
    send.disabled = false;
  });
  return () => {
    const all = new Set();
    for (const service of store.services) for (const one of service.publishes) all.add(one.subject);
    for (const stream of store.streams.values()) if (stream.kind === "stream") for (const one of stream.subjects) all.add(one);
    const literal = [...all].filter((one) => !/[*>$]/.test(one));
    known.replaceChildren(...literal.map((one) => h("option", { value: one })));
    outcome.className = "";
    put(outcome, "");
    dialog.showModal();
    subject.focus();
  };
}
