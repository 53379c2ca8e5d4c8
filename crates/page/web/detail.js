// Everything about one stream, consumer or service, beside the rest.

import { sparkline } from "./charts.js";
import { copyable, h, mark, put } from "./dom.js";
import { ago, bytes, count, exact, limit, nanos, rate } from "./format.js";
import { ask, message } from "./message.js";
import { health } from "./store.js";
/** @import { Store, Stream, Consumer } from "./store.js" */

/** @typedef {{ element: HTMLElement, update: () => void }} Detail */

/** @param {string} title @param {string} name @param {() => void} close */
function frame(title, name, close) {
  const heading = h("h2", { tabindex: -1 }, h("small", {}, title), " ", name);
  const button = h("button", { type: "button", class: "quiet", "aria-label": "Close", title: "Close (Esc)", onclick: close }, "✕");
  return h("header", {}, heading, button);
}

/**
 * Names and values that change.
 * @param {Record<string, () => string | null>} rows
 */
function facts(rows) {
  const element = h("dl", { class: "facts" });
  const cells = Object.entries(rows).map(([name, text]) => {
    const term = h("dt", {}, name);
    const value = h("dd", {});
    element.append(term, value);
    return { term, value, text };
  });
  const update = () => {
    for (const { term, value, text } of cells) {
      const now = text();
      term.hidden = value.hidden = now === null;
      put(value, now ?? "");
    }
  };
  return { element, update };
}

/**
 * Large charts.
 * @param {[string, () => number[], () => string][]} rows
 */
function charts(rows) {
  const drawn = rows.map(([title, points, text]) => {
    const chart = sparkline();
    const number = h("b", {});
    return { points, text, chart, number, element: h("figure", {}, h("figcaption", {}, title, number), chart.element) };
  });
  const update = () => {
    for (const one of drawn) {
      one.chart.update(one.points());
      put(one.number, one.text());
    }
  };
  return { element: h("div", { class: "charts" }, ...drawn.map((one) => one.element)), update };
}

/** @param {Store} store @param {string} name @param {() => void} close @returns {Detail} */
export function stream(store, name, close) {
  const key = `in ${name}`;
  const gone = h("p", { class: "error", hidden: true }, "It is gone.");
  const graph = charts([["stored, msgs/s", () => store.points(key), () => rate(store.rate(key))]]);
  const of = (/** @type {(live: Stream) => string | null} */ text) => () => {
    const live = store.streams.get(name);
    return live ? text(live) : null;
  };
  const numbers = facts({
    subjects: of((live) => live.subjects.join(" ") || null),
    sources: of((live) => live.sources.join(" ") || null),
    "mirror of": of((live) => live.mirror),
    messages: of((live) => `${exact(live.messages)}, #${live.first_seq} to #${live.last_seq}`),
    size: of((live) => `${bytes(live.bytes)} of ${limit(live.max_bytes, bytes)}, ${live.storage}`),
    keeps: of((live) => `${live.retention}; ${limit(live.max_age, nanos)}; ${limit(live.max_msgs, exact)} messages; ${limit(live.max_msgs_per_subject, exact)} a subject`),
    "different subjects": of((live) => exact(live.num_subjects)),
    oldest: of((live) => ago(live.first_time)),
    newest: of((live) => ago(live.last_time)),
    owner: of((live) => live.owner ?? "nobody"),
    about: of((live) => live.description || null),
  });
  const consumers = h("ul", { class: "plain" });
  let drawn = "";
  const messages = newest(store, name);
  const update = () => {
    const live = store.streams.get(name);
    gone.hidden = live !== undefined || !store.heard;
    numbers.update();
    graph.update();
    const names = live?.consumers.map((one) => one.name) ?? [];
    if (names.join("\n") !== drawn) {
      drawn = names.join("\n");
      consumers.replaceChildren(...names.map((own) => h("li", {}, h("a", { href: `#/consumer/${encodeURIComponent(name)}/${encodeURIComponent(own)}` }, own))));
    }
  };
  const element = h(
    "div",
    {},
    frame("stream", name, close), gone, graph.element, numbers.element,
    h("h3", {}, "Consumers"), consumers, messages,
  );
  return { element, update };
}

/**
 * The newest messages of a stream, and those before them.
 * @param {Store} store
 * @param {string} name
 */
function newest(store, name) {
  const list = h("ul", { class: "messages" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const subject = h("input", { type: "search", placeholder: "subject, such as orders.>", "aria-label": "Only messages of this subject", spellcheck: "false", autocapitalize: "off" });
  const again = h("button", { type: "submit", class: "quiet" }, "Look");
  const older = h("button", { type: "button", class: "quiet", hidden: true }, "Older");
  /** @type {number | null} */
  let oldest = null;
  /** @param {boolean} more */
  const load = async (more) => {
    try {
      /** @type {Record<string, string>} */
      const wanted = { stream: name, subject: subject.value.trim() };
      if (more && oldest !== null) wanted.before = String(oldest);
      const found = await ask("messages", wanted);
      const items = found.messages.map(message);
      if (more) list.append(...items);
      else list.replaceChildren(...(items.length > 0 ? items : [nothing(store)]));
      oldest = found.messages.length > 0 ? found.messages[found.messages.length - 1].sequence : null;
      older.hidden = oldest === null || oldest <= found.first_seq;
      error.hidden = true;
    } catch (problem) {
      error.hidden = false;
      put(error, problem instanceof Error ? problem.message : String(problem));
    }
  };
  const form = h("form", { class: "line" }, subject, again);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    load(false);
  });
  older.addEventListener("click", () => load(true));
  load(false);
  return h("section", {}, h("h3", {}, "Newest messages"), form, error, list, older);
}

/** @param {Store} store */
function nothing(store) {
  const command = store.declared?.commands.find((one) => / pub /.test(one));
  return h("li", { class: "empty" }, h("p", {}, "No messages."), command ? copyable(command) : null);
}

/** @param {Store} store @param {string} streamName @param {string} name @param {() => void} close @returns {Detail} */
export function consumer(store, streamName, name, close) {
  const full = `${streamName}/${name}`;
  const gone = h("p", { class: "error", hidden: true }, "It is gone.");
  const word = h("span", { class: "tag" });
  const advice = h("p", { class: "advice", hidden: true });
  const graph = charts([
    ["delivered, msgs/s", () => store.points(`out ${full}`), () => rate(store.rate(`out ${full}`))],
    ["acknowledged, msgs/s", () => store.points(`ack ${full}`), () => rate(store.rate(`ack ${full}`))],
  ]);
  const of = (/** @type {(live: Consumer) => string | null} */ text) => () => {
    const live = store.consumer(streamName, name);
    return live ? text(live) : null;
  };
  const numbers = facts({
    takes: of((live) => (live.filters.length > 0 ? live.filters.join(" ") : ">")),
    pending: of((live) => exact(live.pending)),
    unacknowledged: of((live) => `${exact(live.ack_pending)} of ${limit(live.max_ack_pending, exact)}`),
    redelivered: of((live) => exact(live.redelivered)),
    asking: of((live) => (live.push ? (live.push_bound ? "somebody listens" : "nobody listens") : `${count(live.waiting)} requests`)),
    delivered: of((live) => `up to #${live.delivered_to}, ${ago(live.delivered_time)}`),
    acknowledged: of((live) => `up to #${live.acked_to}, ${ago(live.acked_time)}`),
    "ack wait": of((live) => (live.backoff.length > 0 ? live.backoff.map(nanos).join(", then ") : nanos(live.ack_wait))),
    deliveries: of((live) => `at most ${limit(live.max_deliver, exact)}`),
    kind: of((live) => `${live.durable ? "durable" : "ephemeral"}, ${live.push ? "push" : "pull"}, ack ${live.ack_policy}`),
    owner: of((live) => live.owner ?? "nobody"),
  });
  const list = h("ul", { class: "messages" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const load = async () => {
    try {
      const found = await ask("outstanding", { stream: streamName, consumer: name });
      const items = found.messages.map(message);
      list.replaceChildren(...(items.length > 0 ? items : [h("li", { class: "empty" }, h("p", {}, "Everything is acknowledged."))]));
      error.hidden = true;
    } catch (problem) {
      error.hidden = false;
      put(error, problem instanceof Error ? problem.message : String(problem));
    }
  };
  load();
  const update = () => {
    const live = store.streams.get(streamName);
    const own = store.consumer(streamName, name);
    gone.hidden = own !== undefined || !store.heard;
    numbers.update();
    graph.update();
    if (!live || !own) return;
    const state = health(store, live, own);
    put(word, state.word);
    mark(word, "data-level", state.level);
    const says = {
      "nobody asks": "Messages wait, and no worker asks for them. Is its service running?",
      "too many unacknowledged": "Workers hold as many messages as they may: nothing more is delivered until some are acknowledged.",
    }[state.word];
    advice.hidden = says === undefined;
    put(advice, says ?? "");
  };
  const again = h("button", { type: "button", class: "quiet", onclick: load }, "Look again");
  const element = h(
    "div",
    {},
    frame("consumer", name, close),
    h("p", {}, word, " of ", h("a", { href: `#/stream/${encodeURIComponent(streamName)}` }, streamName)),
    gone, advice, graph.element, numbers.element,
    h("h3", {}, "Oldest that are not acknowledged "), again, error, list,
  );
  return { element, update };
}

/** @param {Store} store @param {string} name @param {() => void} close @returns {Detail} */
export function service(store, name, close) {
  const content = h("div", {});
  let drawn = -1;
  const update = () => {
    if (drawn === store.shape) return;
    drawn = store.shape;
    const own = store.services.find((one) => one.name === name);
    if (!own) {
      content.replaceChildren(h("p", { class: "error" }, "It is not declared."));
      return;
    }
    const part = (/** @type {string} */ title, /** @type {Node[]} */ items) =>
      items.length > 0 ? h("section", {}, h("h3", {}, title), h("ul", { class: "plain" }, ...items.map((item) => h("li", {}, item)))) : "";
    const code = (/** @type {string[]} */ all) => all.map((text) => h("code", {}, text));
    const link = (/** @type {string[]} */ all) => all.map((text) => h("a", { href: `#/${text.includes("/") ? "consumer" : "stream"}/${text.split("/").map(encodeURIComponent).join("/")}` }, text));
    content.replaceChildren(
      h("p", { class: "faint" }, own.replicas === 1 ? "One of it runs." : `${own.replicas} of it run.`),
      part("Publishes", own.publishes.map((one) => h("span", {}, h("code", {}, one.subject), one.streams.length > 0 ? ` → ${one.streams.join(", ")}` : " (no stream stores it)"))),
      part("Consumes", link(own.consumes)),
      part("Writes to", link(own.writes)),
      part("Reads", link(own.reads)),
      part("Asks", code(own.requests)),
      part("Answers", code(own.replies)),
    );
  };
  return { element: h("div", {}, frame("service", name, close), content), update };
}
