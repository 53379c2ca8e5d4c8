// Who sends what to whom, and where each of them stands in the drawing. It draws nothing.

import { fits } from "./format.js";
/** @import { Store, Stream } from "./store.js" */

/**
 * @typedef {object} Box
 * @property {string} id
 * @property {"publisher" | "subject" | "stream" | "consumer" | "reader"} kind
 * @property {string} name
 * @property {string} stream  Stream that it belongs to, if it does.
 * @property {number} column
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

/**
 * @typedef {object} Edge
 * @property {string} from
 * @property {string} to
 * @property {string} key  Counter that says how much goes here; empty where nobody knows.
 * @property {boolean} shared  Whether the counter is that of several edges together.
 * @property {"flow" | "aside" | "dead"} kind
 */

/** @typedef {{ boxes: Box[], edges: Edge[], width: number, height: number, left: number }} Graph */

const HEIGHTS = { publisher: 44, subject: 30, stream: 92, consumer: 66, reader: 44 };
const GAPS = { publisher: 12, subject: 8, stream: 0, consumer: 10, reader: 12 };
/** Between two streams. */
const BLOCK_GAP = 26;
/** Streams that are drawn. */
export const STREAMS_MAX = 60;
/** Consumers of a stream that are drawn. */
const CONSUMERS_MAX = 40;
/** Shares of the width. */
const SHARES = { publisher: 15, subject: 19, stream: 21, consumer: 21, reader: 15 };
/** Least width between two columns. */
const LANE_MIN = 28;

/**
 * @param {Store} store
 * @param {string} filter
 * @param {number} width
 * @returns {Graph}
 */
export function graph(store, filter, width) {
  const wanted = filter.toLowerCase();
  const order = new Map();
  for (const name of store.declared?.topologies.flatMap((topology) => topology.streams) ?? []) order.set(name, order.size);
  // As they are declared, then the others; what keeps dead letters is the end of everything.
  const rank = (/** @type {Stream} */ stream) => (stream.keeps_dead ? 1e9 : 0) + (order.get(stream.name) ?? 1e6);
  const all = [...store.streams.values()].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
  const shown = all.filter((stream) => {
    if (!wanted) return true;
    const texts = [stream.name, ...stream.subjects, ...stream.consumers.map((one) => one.name)];
    return texts.some((text) => text.toLowerCase().includes(wanted));
  });
  const streams = shown.slice(0, STREAMS_MAX);
  const services = store.services;

  /** @type {Map<string, Box>} */
  const boxes = new Map();
  /** @type {Edge[]} */
  const edges = [];
  /** @param {Box["kind"]} kind @param {string} id @param {string} name @param {string} stream */
  const box = (kind, id, name, stream) => {
    let known = boxes.get(id);
    if (!known) {
      known = { id, kind, name, stream, column: 0, x: 0, y: 0, width: 0, height: HEIGHTS[kind] };
      boxes.set(id, known);
    }
    return known;
  };
  /** @param {string} from @param {string} to @param {Partial<Edge>} [more] */
  const edge = (from, to, more = {}) => {
    if (edges.some((one) => one.from === from && one.to === to)) return;
    edges.push({ from, to, key: "", shared: false, kind: "flow", ...more });
  };

  let y = 0;
  for (const stream of streams) {
    const name = `stream ${stream.name}`;
    box("stream", name, stream.name, stream.name);
    const published = services.flatMap((service) =>
      service.publishes.filter((one) => one.streams.includes(stream.name)).map((one) => one.subject));
    // What a declared subject of somebody says closer is not said twice.
    const own = stream.subjects.filter((subject) => {
      const said = published.some((other) => fits(subject, other));
      // Lines say where dead letters come from.
      return !said && stream.kind === "stream" && !stream.keeps_dead;
    });
    const subjects = [...new Set([...published, ...own])];
    const key = `in ${stream.name}`;
    for (const subject of subjects) {
      const id = `subject ${stream.name} ${subject}`;
      box("subject", id, subject, stream.name);
      edge(id, name, { key, shared: subjects.length > 1 });
    }
    for (const service of services) {
      for (const one of service.publishes) {
        if (!one.streams.includes(stream.name)) continue;
        const id = `publisher ${service.name}`;
        box("publisher", id, service.name, "");
        edge(id, `subject ${stream.name} ${one.subject}`, { key, shared: subjects.length > 1 });
      }
      if (service.writes.includes(stream.name)) {
        box("publisher", `publisher ${service.name}`, service.name, "");
        edge(`publisher ${service.name}`, name, { key });
      }
      if (service.reads.includes(stream.name)) {
        box("reader", `reader ${service.name}`, service.name, "");
        edge(name, `reader ${service.name}`, {});
      }
    }
    for (const consumer of stream.consumers.slice(0, CONSUMERS_MAX)) {
      const full = `${stream.name}/${consumer.name}`;
      box("consumer", `consumer ${full}`, consumer.name, stream.name);
      edge(name, `consumer ${full}`, { key: `out ${full}` });
      for (const service of services) {
        if (!service.consumes.includes(full)) continue;
        box("reader", `reader ${service.name}`, service.name, "");
        edge(`consumer ${full}`, `reader ${service.name}`, { key: `out ${full}` });
      }
    }
    const stack = (/** @type {Box["kind"]} */ kind) => {
      const own = [...boxes.values()].filter((one) => one.kind === kind && one.stream === stream.name);
      const height = own.reduce((sum, one) => sum + one.height + GAPS[kind], -GAPS[kind]);
      return { own, height: Math.max(height, 0) };
    };
    const columns = /** @type {const} */ (["subject", "stream", "consumer"]).map(stack);
    const height = Math.max(...columns.map((column) => column.height));
    for (const column of columns) {
      let at = y + (height - column.height) / 2;
      for (const one of column.own) {
        one.y = at;
        at += one.height + GAPS[one.kind];
      }
    }
    y += height + BLOCK_GAP;
  }
  for (const stream of streams) {
    for (const origin of [...stream.sources, ...(stream.mirror ? [stream.mirror] : [])]) {
      if (boxes.has(`stream ${origin}`)) edge(`stream ${origin}`, `stream ${stream.name}`, { kind: "aside" });
    }
  }
  for (const topology of store.declared?.topologies ?? []) {
    for (const one of topology.dead) {
      const [from, to] = [`consumer ${one.consumer}`, `stream ${one.stream}`];
      if (boxes.has(from) && boxes.has(to)) edge(from, to, { kind: "dead" });
    }
  }
  for (const kind of /** @type {const} */ (["publisher", "reader"])) spread(kind, boxes, edges);
  const list = [...boxes.values()];
  const total = place(list, width);
  const height = list.reduce((most, one) => Math.max(most, one.y + one.height), 0);
  return { boxes: list, edges, width: total, height, left: shown.length - streams.length };
}

/**
 * Puts services beside what they are connected with, and none over another.
 * @param {"publisher" | "reader"} kind
 * @param {Map<string, Box>} boxes
 * @param {Edge[]} edges
 */
function spread(kind, boxes, edges) {
  const own = [...boxes.values()].filter((one) => one.kind === kind);
  const wanted = new Map();
  for (const one of own) {
    const ends = edges.flatMap((edge) => {
      const other = edge.from === one.id ? edge.to : edge.to === one.id ? edge.from : null;
      const end = other === null ? undefined : boxes.get(other);
      return end ? [end.y + end.height / 2] : [];
    });
    const middle = ends.reduce((sum, y) => sum + y, 0) / Math.max(ends.length, 1);
    wanted.set(one, middle - one.height / 2);
  }
  own.sort((a, b) => wanted.get(a) - wanted.get(b));
  let free = -Infinity;
  for (const one of own) {
    one.y = Math.max(wanted.get(one), free);
    free = one.y + one.height + GAPS[kind];
  }
  // What was pushed down too far goes up again, as far as there is room.
  const last = own[own.length - 1];
  if (!last) return;
  let bottom = Math.max(...[...boxes.values()].filter((one) => one.kind !== kind).map((one) => one.y + one.height));
  for (const one of own.reverse()) {
    one.y = Math.max(0, Math.min(one.y, bottom - one.height));
    bottom = one.y - GAPS[kind];
  }
  let top = 0;
  for (const one of own.reverse()) {
    one.y = Math.max(one.y, top);
    top = one.y + one.height + GAPS[kind];
  }
}

/**
 * Gives columns their places; those that are empty have none. Returns the whole width.
 * @param {Box[]} boxes
 * @param {number} width
 */
function place(boxes, width) {
  const kinds = /** @type {const} */ (["publisher", "subject", "stream", "consumer", "reader"]);
  const used = kinds.filter((kind) => boxes.some((one) => one.kind === kind));
  const shares = used.reduce((sum, kind) => sum + SHARES[kind], 0);
  const lanes = Math.max(used.length - 1, 1);
  const lane = Math.max(LANE_MIN, Math.min(width * 0.06, 90));
  const each = (width - lane * lanes) / shares;
  let x = 0;
  used.forEach((kind, column) => {
    const own = Math.min(SHARES[kind] * each, kind === "subject" ? 260 : 300);
    for (const one of boxes) {
      if (one.kind !== kind) continue;
      Object.assign(one, { x, width: own, column });
    }
    x += own + lane;
  });
  // What is left over goes between the columns.
  const rest = width - (x - lane);
  if (rest > 0 && used.length > 1) {
    for (const one of boxes) one.x += (rest / lanes) * one.column;
  }
  return Math.max(width, x - lane);
}

/**
 * The line of an edge.
 * @param {Edge} edge
 * @param {Box} from
 * @param {Box} to
 */
export function path(edge, from, to) {
  const [fx, fy] = [from.x + from.width, from.y + from.height / 2];
  const [tx, ty] = [to.x, to.y + to.height / 2];
  const n = (/** @type {number} */ number) => number.toFixed(1);
  if (from.column < to.column) {
    const bend = (tx - fx) / 2;
    return `M${n(fx)} ${n(fy)}C${n(fx + bend)} ${n(fy)} ${n(tx - bend)} ${n(ty)} ${n(tx)} ${n(ty)}`;
  }
  if (edge.kind === "dead") {
    // Back to where it is kept.
    const [bx, by] = [from.x, from.y + from.height * 0.75];
    const [ex, ey] = [to.x + to.width, to.y + to.height * 0.3];
    const bend = Math.max(24, Math.abs(ey - by) / 6);
    return `M${n(bx)} ${n(by)}C${n(bx - bend)} ${n(by)} ${n(ex + bend)} ${n(ey)} ${n(ex)} ${n(ey)}`;
  }
  const out = Math.min(26 + Math.abs(ty - fy) / 12, 60);
  const [bx, by] = [from.x, from.y + from.height / 2];
  return `M${n(bx)} ${n(by)}C${n(bx - out)} ${n(by)} ${n(tx - out)} ${n(ty)} ${n(tx)} ${n(ty)}`;
}
