// The page: views, the address, keys.

import { consumer, service, stream } from "./detail.js";
import { byId, h, mark, put } from "./dom.js";
import { flow } from "./flow.js";
import { publisher } from "./publish.js";
import { Store } from "./store.js";
import { connections, consumers, dead, drift, streams, tiles } from "./views.js";
/** @import { View } from "./views.js" */
/** @import { Detail } from "./detail.js" */

const store = new Store();
const filter = h("input", {
  type: "search", class: "filter", placeholder: "Filter (/)", "aria-label": "Filter by name, subject or state", spellcheck: "false", autocapitalize: "off",
});
const wanted = () => filter.value.trim();

/** @type {{ name: string, title: string, make: () => View, badge?: () => [string, string] }[]} */
const views = [
  { name: "", title: "Flow", make: () => flow(store, wanted) },
  { name: "streams", title: "Streams", make: () => streams(store, wanted), badge: () => [store.heard ? String(store.streams.size) : "", ""] },
  { name: "consumers", title: "Consumers", make: () => consumers(store, wanted), badge: () => {
    const number = [...store.streams.values()].reduce((sum, one) => sum + one.consumers.length, 0);
    return [store.heard ? String(number) : "", ""];
  } },
  { name: "connections", title: "Connections", make: () => connections(store, wanted) },
  { name: "dead", title: "Dead letters", make: () => dead(store, wanted), badge: () => [store.dead > 0 ? String(store.dead) : "", "bad"] },
  { name: "drift", title: "Drift", make: () => drift(store), badge: () => [store.drift > 0 ? String(store.drift) : "", "busy"] },
];

const main = byId("main");
const aside = byId("detail");
const updateTiles = tiles(store, byId("tiles"));
const tabs = views.map((view) => {
  const badge = h("span", { class: "badge", hidden: true });
  const link = h("a", { href: `#/${view.name}` }, view.title, badge);
  return { link, badge, view };
});
byId("tabs").replaceChildren(...tabs.map((tab) => tab.link), filter);

/** @type {View | null} */
let shown = null;
let shownName = "?";
/** @type {Detail | null} */
let detail = null;
let detailName = "";
/** @type {Element | null} */
let opener = null;

/** What the address says: a view, and what is looked at closely. */
function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const [first, second, third] = parts;
  const closer = first === "stream" || first === "consumer" || first === "service";
  if (!closer) open(views.some((view) => view.name === first) ? first : "");
  else if (shownName === "?") open("");
  const name = closer ? parts.join("/") : "";
  if (name !== detailName) {
    detailName = name;
    if (first === "stream" && second) detail = stream(store, second, back);
    else if (first === "consumer" && second && third) detail = consumer(store, second, third, back);
    else if (first === "service" && second) detail = service(store, second, back);
    else detail = null;
    aside.hidden = detail === null;
    document.body.classList.toggle("closer", detail !== null);
    if (detail) {
      opener = document.activeElement;
      detail.update();
      aside.replaceChildren(detail.element);
      aside.scrollTop = 0;
      aside.querySelector("h2")?.focus({ preventScroll: true });
    } else {
      aside.replaceChildren();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    }
  }
  update();
}

/** @param {string} name */
function open(name) {
  if (name === shownName) return;
  shown?.close?.();
  shownName = name;
  shown = (views.find((view) => view.name === name) ?? views[0]).make();
  main.replaceChildren(shown.element);
}

function back() {
  location.hash = `#/${shownName}`;
}

function update() {
  updateTiles();
  shown?.update();
  detail?.update();
  for (const { link, badge, view } of tabs) {
    mark(link, "aria-current", view.name === shownName ? "page" : null);
    const [text, level] = view.badge?.() ?? ["", ""];
    badge.hidden = text === "";
    put(badge, text);
    mark(badge, "data-level", level || null);
  }
  const account = store.account;
  const names = (store.declared?.topologies ?? []).map((topology) => topology.name);
  const title = names.length > 0 ? names.join(", ") : account?.account && account.account !== "$G" ? account.account : "";
  const facts = account ? [account.user ? `as ${account.user}` : "", `NATS ${account.version}`].filter(Boolean).join(" · ") : "";
  const where = byId("where");
  if (where.childElementCount === 0) where.append(h("strong", {}), h("small", {}));
  put(where.children[0], title);
  put(where.children[1], facts);
  document.title = title ? `${title} – Watershed` : "Watershed";
  const live = byId("live");
  const state = store.paused ? "paused" : store.connection;
  mark(live, "data-state", state);
  put(live, { connecting: "connecting", live: "live", lost: "no answer", paused: "paused" }[state]);
  const banner = byId("banner");
  const problem = store.connection === "lost" && !store.paused ? "The server does not answer. What is shown is what it said last." : store.error;
  banner.hidden = !problem;
  put(banner, problem ?? "");
  byId("open-publish").hidden = store.token === null;
}

const help = /** @type {HTMLDialogElement} */ (byId("help"));
const keys = [
  ["1 … 6", "views"], ["/", "filter"], ["j k", "next, previous"], ["Enter", "look closer"],
  ["Esc", "back"], ["p", "pause"], ["n", "publish, where that is allowed"], ["?", "this help"],
];
help.replaceChildren(
  h("h2", { id: "help-title" }, "Keys"),
  h("dl", { class: "facts" }, ...keys.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
  h("button", { type: "button", class: "quiet", onclick: () => help.close() }, "Close"),
);
const openPublish = publisher(store, /** @type {HTMLDialogElement} */ (byId("publish")));

/** Goes to the next thing that leads somewhere, or the one before. @param {number} step */
function walk(step) {
  const all = [...main.querySelectorAll("a[href]")].filter((one) => one instanceof HTMLElement && one.offsetParent !== null);
  const at = all.findIndex((one) => one === document.activeElement);
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  if (next instanceof HTMLElement) next.focus();
}

function pause() {
  store.pause(!store.paused);
  mark(byId("pause"), "aria-pressed", String(store.paused));
  put(byId("pause"), store.paused ? "Go on" : "Pause");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const target = event.target;
  const types = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
  if (event.key === "Escape") {
    if (types && target === filter && filter.value !== "") {
      filter.value = "";
      update();
    } else if (types) target.blur();
    else if (detail) back();
    return;
  }
  if (types) return;
  const view = views[Number(event.key) - 1];
  if (view) location.hash = `#/${view.name}`;
  else if (event.key === "/") filter.focus();
  else if (event.key === "j") walk(1);
  else if (event.key === "k") walk(-1);
  else if (event.key === "p") pause();
  else if (event.key === "n" && store.token !== null) openPublish();
  else if (event.key === "?") help.showModal();
  else return;
  event.preventDefault();
});
filter.addEventListener("input", update);
byId("pause").addEventListener("click", pause);
byId("open-help").addEventListener("click", () => help.showModal());
byId("open-publish").addEventListener("click", openPublish);
window.addEventListener("hashchange", route);
store.listen(update);
route();
store.start();
