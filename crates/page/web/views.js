// Everything but the drawing: streams, consumers, connections, dead letters, drift.

import { sparkline } from "./charts.js";
import { copyable, h, mark, put } from "./dom.js";
import { share } from "./flow.js";
import { ago, bytes, count, exact, rate } from "./format.js";
import { ask, payload } from "./message.js";
import { health } from "./store.js";
import { table } from "./table.js";
/** @import { Store, Stream, Consumer, Plan } from "./store.js" */

/** @typedef {{ element: HTMLElement, update: () => void, close?: () => void }} View */

/** @param {Store} store @param {() => string} filter @returns {View} */
export function streams(store, filter) {
  /** @type {Map<string, ReturnType<typeof sparkline>>} */
  const charts = new Map();
  const own = table({
    label: "Streams",
    key: (/** @type {Stream} */ one) => one.name,
    open: (one) => `#/stream/${encodeURIComponent(one.name)}`,
    empty: () => h("p", {}, "No streams yet."),
    columns: [
      { title: "stream", text: (one) => one.name },
      { title: "in/s", number: true, text: (one) => rate(store.rate(`in ${one.name}`)), by: (one) => store.rate(`in ${one.name}`) },
      {
        title: "", minor: true, text: () => "",
        chart: (one) => {
          const chart = sparkline();
          charts.set(one.name, chart);
          return chart.element;
        },
      },
      { title: "messages", number: true, text: (one) => exact(one.messages), by: (one) => one.messages },
      { title: "size", number: true, text: (one) => bytes(one.bytes), by: (one) => one.bytes },
      {
        title: "full", number: true, minor: true, by: (one) => share(one) ?? -1,
        text: (one) => {
          const full = share(one);
          return full === null ? "" : `${Math.round(full * 100)}%`;
        },
        level: (one) => ((share(one) ?? 0) > 0.9 ? "bad" : (share(one) ?? 0) > 0.7 ? "busy" : null),
      },
      { title: "consumers", number: true, minor: true, text: (one) => count(one.consumers.length), by: (one) => one.consumers.length },
      { title: "newest", number: true, minor: true, text: (one) => ago(one.last_time), by: (one) => one.last_time ?? 0 },
      { title: "subjects", minor: true, text: (one) => (one.mirror ? `mirror of ${one.mirror}` : [...one.subjects, ...one.sources.map((name) => `source ${name}`)].join(" ")) },
    ],
  });
  const update = () => {
    own.update([...store.streams.values()], filter());
    for (const [name, chart] of charts) chart.update(store.points(`in ${name}`));
  };
  return { element: own.element, update };
}

/** @param {Store} store @param {() => string} filter @returns {View} */
export function consumers(store, filter) {
  /** @typedef {{ stream: Stream, own: Consumer }} Row */
  const id = (/** @type {Row} */ row) => `${row.stream.name}/${row.own.name}`;
  /** @type {Map<string, ReturnType<typeof sparkline>>} */
  const charts = new Map();
  const own = table({
    label: "Consumers",
    sort: 5,
    key: id,
    open: (/** @type {Row} */ row) => `#/consumer/${encodeURIComponent(row.stream.name)}/${encodeURIComponent(row.own.name)}`,
    empty: () => h("p", {}, "No consumers yet."),
    columns: [
      { title: "consumer", text: (row) => row.own.name },
      { title: "stream", text: (row) => row.stream.name },
      { title: "state", text: (row) => health(store, row.stream, row.own).word, level: (row) => health(store, row.stream, row.own).level },
      { title: "out/s", number: true, text: (row) => rate(store.rate(`out ${id(row)}`)), by: (row) => store.rate(`out ${id(row)}`) },
      {
        title: "", minor: true, text: () => "",
        chart: (row) => {
          const chart = sparkline();
          charts.set(id(row), chart);
          return chart.element;
        },
      },
      { title: "pending", number: true, text: (row) => exact(row.own.pending), by: (row) => row.own.pending },
      { title: "unacked", number: true, minor: true, text: (row) => exact(row.own.ack_pending), by: (row) => row.own.ack_pending },
      { title: "redelivered", number: true, minor: true, text: (row) => exact(row.own.redelivered), by: (row) => row.own.redelivered },
      { title: "asking", number: true, minor: true, text: (row) => (row.own.push ? (row.own.push_bound ? "push" : "nobody") : exact(row.own.waiting)), by: (row) => row.own.waiting },
      { title: "last ack", number: true, minor: true, text: (row) => ago(row.own.acked_time), by: (row) => row.own.acked_time ?? 0 },
      { title: "takes", minor: true, text: (row) => (row.own.filters.length > 0 ? row.own.filters.join(" ") : ">") },
    ],
  });
  const update = () => {
    const rows = [...store.streams.values()].flatMap((stream) => stream.consumers.map((one) => ({ stream, own: one })));
    own.update(rows, filter());
    for (const [name, chart] of charts) chart.update(store.points(`out ${name}`));
  };
  return { element: own.element, update };
}

/**
 * A view of what is asked for again and again while it is seen.
 * @param {() => Promise<void>} load
 * @param {number} every  Milliseconds.
 */
function asking(load, every) {
  let timer = 0;
  let closed = false;
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const turn = async () => {
    try {
      if (!document.hidden) await load();
      error.hidden = true;
    } catch (problem) {
      error.hidden = false;
      put(error, problem instanceof Error ? problem.message : String(problem));
    }
    if (!closed) timer = setTimeout(turn, every);
  };
  turn();
  const close = () => {
    closed = true;
    clearTimeout(timer);
  };
  return { error, close };
}

/** @param {Store} store @param {() => string} filter @returns {View} */
export function connections(store, filter) {
  /** @type {any[]} */
  let all = [];
  let loaded = false;
  const own = table({
    label: "Connections",
    sort: 5,
    key: (/** @type {any} */ one) => String(one.cid),
    open: () => null,
    empty: () => h("p", {}, loaded ? "Nobody is connected." : "Asking…"),
    columns: [
      { title: "id", text: (one) => String(one.cid), by: (one) => -one.cid },
      { title: "name", text: (one) => (one.name === "watershed page" ? "this page" : one.name || "–") },
      { title: "client", minor: true, text: (one) => [one.lang, one.version].filter(Boolean).join(" ") },
      { title: "from", text: (one) => `${one.ip}:${one.port}` },
      { title: "subscriptions", number: true, minor: true, text: (one) => count(one.subscriptions ?? 0), by: (one) => one.subscriptions ?? 0 },
      { title: "sent", number: true, text: (one) => count(one.in_msgs ?? 0), by: (one) => one.in_msgs ?? 0 },
      { title: "received", number: true, text: (one) => count(one.out_msgs ?? 0), by: (one) => one.out_msgs ?? 0 },
      { title: "waits", number: true, minor: true, text: (one) => bytes(one.pending_bytes ?? 0), by: (one) => one.pending_bytes ?? 0 },
      { title: "rtt", number: true, minor: true, text: (one) => one.rtt ?? "" },
      { title: "connected", number: true, minor: true, text: (one) => one.uptime ?? "" },
      { title: "idle", number: true, minor: true, text: (one) => one.idle ?? "" },
    ],
  });
  const { error, close } = asking(async () => {
    all = (await ask("connections")).connections;
    loaded = true;
    own.update(all, filter());
  }, 2000);
  const element = h("section", {}, error, own.element);
  return { element, update: () => own.update(all, filter()), close };
}

/** @param {Store} store @param {() => string} filter @returns {View} */
export function dead(store, filter) {
  const content = h("div", {}, h("div", { class: "empty" }, h("p", {}, "Asking…")));
  let seen = "";
  const draw = (/** @type {any} */ found) => {
    const wanted = filter().toLowerCase();
    const text = (/** @type {any} */ one) => [one.id, one.stream, one.consumer, one.subject, one.reason, one.error].join(" ").toLowerCase();
    const cases = found.cases.filter((/** @type {any} */ one) => !wanted || text(one).includes(wanted));
    const signature = JSON.stringify([cases, found.streams, wanted]);
    // What somebody reads, or has opened, stays as it is.
    if (signature === seen) return;
    seen = signature;
    if (found.streams.length === 0) {
      content.replaceChildren(h(
        "div",
        { class: "empty" },
        h("h2", {}, "No stream keeps dead letters"),
        h("p", {}, "A message that runs out of attempts stays where it is, and nobody hears of it. In the file:"),
        copyable("consumers: { billing: { dead_letter: DEAD } }"),
      ));
    } else if (cases.length === 0) {
      const word = found.cases.length > 0 ? `Nothing fits “${filter()}”.` : "Nothing was given up.";
      content.replaceChildren(h("div", { class: "empty" }, h("h2", {}, word), h("p", { class: "faint" }, `Kept in ${found.streams.join(", ")}.`)));
    } else {
      const note = found.more ? h("p", { class: "faint" }, "There are more: watershed dead ls shows all.") : null;
      content.replaceChildren(note ?? "", h("ul", { class: "cases" }, ...cases.map(letter)));
    }
  };
  /** @type {any} */
  let last = null;
  const { error, close } = asking(async () => {
    last = await ask("dead");
    draw(last);
  }, 3000);
  const element = h("section", {}, error, content);
  return { element, update: () => last && draw(last), close };
}

/** @param {any} one */
function letter(one) {
  const body = one.payload
    ? payload(one.payload)
    : h("p", { class: "faint" }, "Only the server's record is kept: watershed work --dead-letters keeps messages.");
  return h(
    "li",
    { class: "case" },
    h(
      "details",
      {},
      h(
        "summary",
        {},
        h("span", { class: "tag red" }, one.reason),
        h("strong", {}, `${one.stream}/${one.consumer}`),
        h("span", { class: "sequence" }, `#${one.sequence}`),
        one.subject ? h("code", { class: "subject" }, one.subject) : null,
        h("span", { class: "faint" }, `${one.deliveries} ${one.deliveries === 1 ? "try" : "tries"}`),
        h("time", {}, ago(one.time)),
        one.error ? h("span", { class: "why" }, one.error) : null,
      ),
      body,
      h("p", { class: "faint" }, "Send it again, or drop it:"),
      copyable(`watershed dead retry ${one.id}`),
      copyable(`watershed dead drop ${one.id}`),
    ),
  );
}

/** @param {Store} store @returns {View} */
export function drift(store) {
  const element = h("section", { class: "drift" });
  let seen = "";
  const update = () => {
    const signature = JSON.stringify([store.plans, store.declared?.error, store.declared?.findings, store.declared === null]);
    if (signature === seen) return;
    seen = signature;
    const declared = store.declared;
    const parts = [];
    if (declared?.error) parts.push(h("p", { class: "error" }, `The file is wrong, so what it said before counts: ${declared.error}`));
    if (declared?.findings) parts.push(h("p", { class: "faint" }, `watershed lint: ${declared.findings}`));
    if (!declared || store.plans.length === 0) {
      parts.push(h(
        "div",
        { class: "empty" },
        h("h2", {}, "Nothing is declared here"),
        h("p", {}, "Under watershed up, the server is compared with the file all the time. Begin with one:"),
        copyable("watershed import -s nats://127.0.0.1:4222 --name shop -o watershed.yaml"),
      ));
    }
    parts.push(...store.plans.map(plan));
    element.replaceChildren(...parts);
  };
  return { element, update };
}

/** @param {Plan} plan */
function plan(plan) {
  const title = h("h2", {}, plan.topology);
  if (plan.error) return h("article", {}, title, h("p", { class: "error" }, plan.error));
  const steps = (plan.steps ?? []).map((step) => h(
    "li",
    { class: "step", "data-action": step.losses.length > 0 ? "bad" : step.action },
    h("div", { class: "line" }, h("span", { class: "sign" }, step.sign), h("strong", {}, `${step.action} ${step.kind} ${step.target}`)),
    step.changes.length > 0
      ? h("table", { class: "changes" },
        h("thead", {}, h("tr", {}, h("th", {}, "field"), h("th", {}, "on the server"), h("th", {}, "in the file"))),
        h("tbody", {}, ...step.changes.map((change) => h("tr", {}, h("td", {}, change.field), h("td", { class: "was" }, change.before), h("td", { class: "is" }, change.after)))))
      : null,
    ...step.losses.map((loss) => h("p", { class: "error" }, `loses ${loss}`)),
    ...step.notes.map((note) => h("p", { class: "faint" }, note)),
    ...step.flags.map((flag) => h("p", { class: "faint" }, "allowed by ", h("code", {}, flag))),
  ));
  const refused = (plan.refused ?? []).map((one) => h(
    "li",
    { class: "step", "data-action": "bad" },
    h("div", { class: "line" }, h("span", { class: "sign" }, "✗"), h("strong", {}, `${one.kind} ${one.target}`)),
    h("p", {}, one.reason),
  ));
  const unmanaged = (plan.unmanaged ?? []).length > 0
    ? h("p", { class: "faint" }, `As declared, and nobody's: ${(plan.unmanaged ?? []).join(", ")}`)
    : null;
  const number = steps.length + refused.length;
  const same = `${plan.same ?? 0} as declared`;
  const summary = number === 0
    ? h("p", { class: "good" }, `Everything is as the file says: ${same}.`)
    : h("p", {}, `${number} ${number === 1 ? "difference" : "differences"}, ${same}. Starting watershed up again makes them the same.`);
  return h("article", {}, title, summary, h("ul", { class: "steps" }, ...steps, ...refused), unmanaged);
}

/**
 * The account in a few large numbers.
 * @param {Store} store
 * @param {HTMLElement} element
 */
export function tiles(store, element) {
  /** @type {[string, string, import("./store.js").Store["totals"][keyof import("./store.js").Store["totals"]], () => string, () => string, string][]} */
  const all = [
    ["stored", "msgs/s", store.totals.stored, () => rate(store.totals.stored.rate), () => "", "rate"],
    ["delivered", "msgs/s", store.totals.delivered, () => rate(store.totals.delivered.rate), () => "", "rate"],
    ["pending", "for consumers", store.totals.pending, () => count(last(store.totals.pending.points)), () => "", "level"],
    ["unacknowledged", "delivered", store.totals.unacked, () => count(last(store.totals.unacked.points)), () => "", "level"],
    ["dead letters", "given up", store.totals.dead, () => count(store.dead), () => (store.dead > 0 ? "bad" : ""), "level"],
    ["stored size", "", store.totals.bytes, () => bytes(last(store.totals.bytes.points)), () => "", "level"],
  ];
  const links = ["#/streams", "#/consumers", "#/consumers", "#/consumers", "#/dead", "#/streams"];
  const drawn = all.map(([title, unit], index) => {
    const number = h("b", {}, "–");
    const chart = sparkline(all[index][5]);
    const small = h("small", {}, unit);
    const tile = h("a", { class: "tile", href: links[index] }, h("span", { class: "title" }, title), h("span", { class: "number" }, number, " ", small), chart.element);
    return { tile, number, chart, small };
  });
  element.replaceChildren(...drawn.map((one) => one.tile));
  return () => {
    drawn.forEach((one, index) => {
      const [, , series, text, level] = all[index];
      put(one.number, store.heard ? text() : "–");
      one.chart.update(series.points);
      mark(one.tile, "data-level", level() || null);
    });
    const most = store.account?.max_storage ?? -1;
    put(drawn[5].small, most > 0 ? `of ${bytes(most)}` : "");
  };
}

/** @param {number[]} points */
function last(points) {
  return points[points.length - 1] ?? 0;
}

