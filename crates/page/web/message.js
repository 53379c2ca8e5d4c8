// Messages. What they hold is somebody else's, and only ever text.

import { h, put } from "./dom.js";
import { ago, bytes, pretty } from "./format.js";

/**
 * @typedef {object} Payload
 * @property {number} size
 * @property {string} [text]
 * @property {string} [hex]
 * @property {boolean} cut
 */

/**
 * @typedef {object} Held
 * @property {number} sequence
 * @property {number} time
 * @property {string} subject
 * @property {[string, string][]} headers
 * @property {number} more_headers
 */

/**
 * Asks the server.
 * @param {string} path
 * @param {Record<string, string>} [wanted]
 */
export async function ask(path, wanted = {}) {
  const query = new URLSearchParams(wanted).toString();
  const response = await fetch(`/page/api/${path}${query ? `?${query}` : ""}`);
  const json = await response.json();
  if (!response.ok) throw new Error(json.error ?? response.statusText);
  return json;
}

/** @param {Payload} payload */
export function payload(payload) {
  const note = payload.cut ? h("p", { class: "faint" }, `The beginning of ${bytes(payload.size)}.`) : null;
  if (payload.hex !== undefined) {
    return h("div", {}, h("pre", { class: "hex", tabindex: 0 }, dump(payload.hex)), note);
  }
  const text = payload.text ?? "";
  if (text === "") return h("p", { class: "faint" }, "No payload.");
  const nice = pretty(text);
  const shown = h("pre", { tabindex: 0 }, nice ?? text);
  if (nice === null || nice === text) return h("div", {}, shown, note);
  const button = h("button", { type: "button", class: "quiet small" }, "As sent");
  let raw = false;
  button.addEventListener("click", () => {
    raw = !raw;
    put(shown, raw ? text : nice);
    put(button, raw ? "As JSON" : "As sent");
  });
  return h("div", { class: "payload" }, shown, button, note);
}

/** Bytes in rows of sixteen. @param {string} hex */
function dump(hex) {
  const rows = [];
  for (let at = 0; at < hex.length; at += 32) {
    const pairs = hex.slice(at, at + 32).match(/../g) ?? [];
    const signs = pairs.map((pair) => {
      const code = Number.parseInt(pair, 16);
      return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ".";
    });
    rows.push(`${(at / 2).toString(16).padStart(6, "0")}  ${pairs.join(" ").padEnd(47)}  ${signs.join("")}`);
  }
  return rows.join("\n");
}

/** @param {Held & Payload} message */
export function message(message) {
  const headers = message.headers.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
  const time = new Date(message.time);
  return h(
    "li",
    { class: "message" },
    h(
      "div",
      { class: "line" },
      h("span", { class: "sequence" }, `#${message.sequence}`),
      h("code", { class: "subject" }, message.subject),
      h("time", { datetime: time.toISOString(), title: time.toLocaleString() }, ago(message.time)),
    ),
    headers.length > 0 ? h("dl", { class: "headers" }, ...headers) : null,
    message.more_headers > 0 ? h("p", { class: "faint" }, `${message.more_headers} more headers`) : null,
    payload(message),
  );
}
