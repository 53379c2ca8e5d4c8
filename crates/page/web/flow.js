// The drawing: services, subjects, streams, consumers, services. On a narrow screen, a list of the same.

import { sparkline } from "./charts.js";
import { copyable, h, mark, put, s } from "./dom.js";
import { bytes, count, plural, rate } from "./format.js";
import { graph, path } from "./graph.js";
import { health } from "./store.js";
/** @import { Store, Stream } from "./store.js" */
/** @import { Box, Edge } from "./graph.js" */

/** Narrower than this, a drawing cannot be read. */
const NARROW = 720;
/** Least width of the drawing: what is beyond that is scrolled to. */
const WIDTH_MIN = 1040;

const TITLES = {
  publisher: "services", subject: "subjects", stream: "streams", consumer: "consumers", reader: "services",
};

/**
 * @param {Store} store
 * @param {() => string} filter
 */
export function flow(store, filter) {
  const element = h("section", { class: "flow", "aria-label": "Flow" });
  /** @type {(() => void)[]} */
  let updates = [];
  let drawn = "";
  const observer = new ResizeObserver(() => update());
  observer.observe(element);

  const update = () => {
    const width = Math.floor(element.clientWidth);
    if (width === 0) return;
    const narrow = width < NARROW;
    const signature = `${store.shape} ${filter()} ${narrow ? "narrow" : width} ${store.heard}`;
    if (signature !== drawn) {
      drawn = signature;
      updates = [];
      const found = store.streams.size === 0 ? empty(store) : narrow
        ? list(store, filter(), updates)
        : drawing(store, filter(), Math.max(width, WIDTH_MIN), updates);
      element.replaceChildren(found);
    }
    for (const one of updates) one();
  };
  return { element, update, close: () => observer.disconnect() };
}

/** @param {Store} store */
function empty(store) {
  if (!store.heard) return h("div", { class: "empty" }, h("p", {}, "Waiting for the first look…"));
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, "No streams yet"),
    h("p", {}, "A stream keeps what is published on its subjects. Declare one, or make one by hand:"),
    copyable("nats stream add ORDERS --subjects 'orders.>' --defaults"),
    h("p", { class: "faint" }, "It appears here within a second."),
  );
}

/**
 * @param {Store} store
 * @param {string} filter
 * @param {number} width
 * @param {(() => void)[]} updates
 */
function drawing(store, filter, width, updates) {
  const { boxes, edges, width: total, height, left } = graph(store, filter, width);
  if (boxes.length === 0) return h("div", { class: "empty" }, h("p", {}, `Nothing fits “${filter}”.`));
  const lines = s("svg", { class: "lines", width: total, height, viewBox: `0 0 ${total} ${height}`, "aria-hidden": "true" });
  const canvas = h("div", { class: "canvas" }, lines);
  canvas.style.height = `${height}px`;
  canvas.style.minWidth = `${total}px`;
  /** @type {Map<string, HTMLElement>} */
  const elements = new Map();
  /** @type {Map<string, Set<string>>} */
  const near = new Map(boxes.map((box) => [box.id, new Set([box.id])]));
  const byId = new Map(boxes.map((box) => [box.id, box]));
  /** @type {{ edge: Edge, group: SVGElement }[]} */
  const drawnEdges = [];
  for (const edge of edges) {
    const from = byId.get(edge.from);
    const to = byId.get(edge.to);
    if (!from || !to) continue;
    const d = path(edge, from, to);
    const moving = s("path", { class: "moving", d });
    const still = s("path", { class: "still", d });
    const group = s("g", { class: `edge ${edge.kind}` }, still, moving);
    lines.append(group);
    drawnEdges.push({ edge, group });
    near.get(edge.from)?.add(edge.to);
    near.get(edge.to)?.add(edge.from);
    if (edge.kind === "flow" && edge.key) updates.push(() => run(store, edge, group, moving, still));
  }
  for (const box of boxes) {
    const element = card(store, box, updates);
    for (const [name, value] of /** @type {[string, number][]} */ ([["left", box.x], ["top", box.y], ["width", box.width], ["height", box.height]])) {
      element.style.setProperty(name, `${value}px`);
    }
    elements.set(box.id, element);
    canvas.append(element);
  }
  const light = (/** @type {string | null} */ id) => {
    canvas.classList.toggle("lit", id !== null);
    const lit = id === null ? null : reach(id, edges);
    for (const [own, element] of elements) element.classList.toggle("on", lit?.has(own) ?? false);
    for (const { edge, group } of drawnEdges) {
      group.classList.toggle("on", lit !== null && lit.has(edge.from) && lit.has(edge.to));
    }
  };
  for (const [id, element] of elements) {
    element.addEventListener("pointerenter", () => light(id));
    element.addEventListener("pointerleave", () => light(null));
    element.addEventListener("focus", () => light(id));
    element.addEventListener("blur", () => light(null));
  }
  const heads = h("div", { class: "heads", "aria-hidden": "true" });
  heads.style.minWidth = `${total}px`;
  for (const kind of /** @type {const} */ (["publisher", "subject", "stream", "consumer", "reader"])) {
    const first = boxes.find((box) => box.kind === kind);
    if (!first) continue;
    const head = h("span", {}, TITLES[kind]);
    head.style.left = `${first.x}px`;
    heads.append(head);
  }
  const more = left > 0 ? h("p", { class: "faint" }, `${plural(left, "more stream")}: filter by name (/).`) : null;
  return h("div", { class: "scroll" }, heads, canvas, more);
}

/**
 * Everything that messages come from or go to.
 * @param {string} id
 * @param {Edge[]} edges
 */
function reach(id, edges) {
  const found = new Set([id]);
  for (const [here, there] of /** @type {["from" | "to", "from" | "to"][]} */ ([["from", "to"], ["to", "from"]])) {
    const left = [id];
    const seen = new Set(left);
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const edge of edges) {
        if (edge.kind !== "flow" || edge[here] !== next || seen.has(edge[there])) continue;
        seen.add(edge[there]);
        found.add(edge[there]);
        left.push(edge[there]);
      }
    }
  }
  return found;
}

/**
 * Shows how much goes over an edge. Where only a sum is known, nothing moves.
 * @param {Store} store
 * @param {Edge} edge
 * @param {SVGElement} group
 * @param {SVGElement} moving
 * @param {SVGElement} still
 */
function run(store, edge, group, moving, still) {
  const now = store.rate(edge.key);
  mark(group, "data-runs", now === 0 ? null : edge.shared ? "maybe" : "yes");
  const width = 1.5 + Math.min(Math.log10(1 + now) * 1.3, 5);
  still.style.strokeWidth = moving.style.strokeWidth = `${width.toFixed(1)}px`;
  const seconds = Math.max(0.35, 1.6 - Math.log10(1 + now) * 0.35);
  moving.style.animationDuration = `${seconds.toFixed(2)}s`;
}

/**
 * @param {Store} store
 * @param {Box} box
 * @param {(() => void)[]} updates
 * @returns {HTMLElement}
 */
function card(store, box, updates) {
  if (box.kind === "subject") {
    return h("span", { class: "box subject", title: box.name }, box.name);
  }
  const link = (/** @type {string} */ to, /** @type {import("./dom.js").Child[]} */ ...children) =>
    h("a", { class: `box ${box.kind}`, href: to }, ...children);
  if (box.kind === "publisher" || box.kind === "reader") {
    const service = store.services.find((one) => one.name === box.name);
    const replicas = service && service.replicas > 1 ? h("small", {}, `× ${service.replicas}`) : null;
    return link(`#/service/${encodeURIComponent(box.name)}`, h("strong", { title: box.name }, box.name), replicas);
  }
  const inner = box.kind === "stream" ? streamParts(store, box.stream) : consumerParts(store, box.stream, box.name);
  const to = box.kind === "stream"
    ? `#/stream/${encodeURIComponent(box.stream)}`
    : `#/consumer/${encodeURIComponent(box.stream)}/${encodeURIComponent(box.name)}`;
  const element = link(to, ...inner.children);
  updates.push(() => inner.update(element));
  return element;
}

/** @param {Store} store @param {string} name */
function streamParts(store, name) {
  const [speed, held, size] = [h("b", {}), h("span", {}), h("span", {})];
  const chart = sparkline();
  const fill = h("i", { class: "fill" });
  const bar = h("span", { class: "bar", hidden: true }, fill);
  const stream = store.streams.get(name);
  const kind = stream && stream.kind !== "stream" ? h("small", { class: "tag" }, stream.kind) : null;
  const dead = stream?.keeps_dead ? h("small", { class: "tag red" }, "dead letters") : null;
  const memory = stream?.storage === "memory" ? h("small", { class: "tag" }, "memory") : null;
  const update = (/** @type {HTMLElement} */ element) => {
    const live = store.streams.get(name);
    if (!live) return;
    const now = store.rate(`in ${name}`);
    put(speed, `${rate(now)}/s`);
    put(held, `${count(live.messages)} msgs`);
    put(size, bytes(live.bytes));
    chart.update(store.points(`in ${name}`));
    const used = share(live);
    bar.hidden = used === null;
    fill.style.width = `${Math.round((used ?? 0) * 100)}%`;
    mark(bar, "data-level", used !== null && used > 0.9 ? "bad" : used !== null && used > 0.7 ? "busy" : null);
    mark(element, "data-active", now > 0 ? "yes" : null);
    mark(element, "data-dead", live.keeps_dead && (store.account?.dead[name] ?? 0) > 0 ? "yes" : null);
  };
  const children = [
    h("span", { class: "line" }, h("strong", { title: name }, name), kind, memory, dead),
    h("span", { class: "line" }, speed, chart.element),
    h("span", { class: "line faint" }, held, size),
    bar,
  ];
  return { children, update };
}

/** How full a stream is, if it has a limit. @param {Stream} stream */
export function share(stream) {
  const parts = [];
  if (stream.max_bytes > 0) parts.push(stream.bytes / stream.max_bytes);
  if (stream.max_msgs > 0) parts.push(stream.messages / stream.max_msgs);
  return parts.length === 0 ? null : Math.min(1, Math.max(...parts));
}

/** @param {Store} store @param {string} stream @param {string} name */
function consumerParts(store, stream, name) {
  const [speed, waits, word] = [h("b", {}), h("span", {}), h("span", { class: "health" })];
  const chart = sparkline();
  const update = (/** @type {HTMLElement} */ element) => {
    const live = store.streams.get(stream);
    const own = store.consumer(stream, name);
    if (!live || !own) return;
    const now = store.rate(`out ${stream}/${name}`);
    put(speed, `${rate(now)}/s`);
    const state = health(store, live, own);
    put(word, state.word);
    put(waits, own.pending > 0 ? `${count(own.pending)} pending` : own.ack_pending > 0 ? `${count(own.ack_pending)} unacked` : "");
    chart.update(store.points(`out ${stream}/${name}`));
    mark(element, "data-level", state.level);
    mark(element, "data-active", now > 0 ? "yes" : null);
  };
  const children = [
    h("span", { class: "line" }, h("strong", { title: name }, name), speed),
    h("span", { class: "line" }, word, waits, chart.element),
  ];
  return { children, update };
}

/**
 * The same from top to bottom.
 * @param {Store} store
 * @param {string} filter
 * @param {(() => void)[]} updates
 */
function list(store, filter, updates) {
  const { boxes, edges } = graph(store, filter, 1000);
  if (boxes.length === 0) return h("div", { class: "empty" }, h("p", {}, `Nothing fits “${filter}”.`));
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const into = (/** @type {string} */ id) => edges.filter((edge) => edge.to === id && edge.kind === "flow");
  const out = (/** @type {string} */ id) => edges.filter((edge) => edge.from === id && edge.kind === "flow");
  const items = boxes.filter((box) => box.kind === "stream").map((box) => {
    const subjects = into(box.id).map((edge) => byId.get(edge.from)).filter((one) => one !== undefined);
    const sources = subjects.map((subject) => {
      const from = subject.kind === "subject" ? into(subject.id) : [];
      const names = from.map((edge) => byId.get(edge.from)?.name).filter((name) => name !== undefined);
      const who = names.length > 0 ? h("small", { class: "faint" }, ` ${names.join(", ")} →`) : null;
      return h("li", {}, who, " ", h("code", {}, subject.name));
    });
    const readers = out(box.id).map((edge) => byId.get(edge.to)).filter((one) => one !== undefined);
    const takers = readers.map((reader) => {
      const names = out(reader.id).map((edge) => byId.get(edge.to)?.name).filter((name) => name !== undefined);
      const who = names.length > 0 ? h("small", { class: "faint" }, `→ ${names.join(", ")}`) : null;
      return h("li", {}, card(store, reader, updates), who);
    });
    return h(
      "li",
      { class: "block" },
      h("ul", { class: "sources" }, ...sources),
      card(store, box, updates),
      h("ul", { class: "takers" }, ...takers),
    );
  });
  return h("ul", { class: "blocks" }, ...items);
}
