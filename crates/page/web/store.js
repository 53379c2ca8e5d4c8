// What the page knows: the newest state of the account, and how fast its counters grow.

/**
 * @typedef {object} Consumer
 * @property {string} name
 * @property {string[]} filters
 * @property {boolean} durable
 * @property {boolean} push
 * @property {string} deliver_group
 * @property {string} ack_policy
 * @property {number} ack_wait
 * @property {number[]} backoff
 * @property {number} max_deliver
 * @property {number} max_ack_pending
 * @property {number} delivered
 * @property {number} delivered_to
 * @property {number | null} delivered_time
 * @property {number} acked
 * @property {number} acked_to
 * @property {number | null} acked_time
 * @property {number} pending
 * @property {number} ack_pending
 * @property {number} redelivered
 * @property {number} waiting
 * @property {boolean} push_bound
 * @property {boolean} paused
 * @property {string | null} owner
 */

/**
 * @typedef {object} Stream
 * @property {string} name
 * @property {string} kind
 * @property {string} description
 * @property {string[]} subjects
 * @property {string[]} sources
 * @property {string | null} mirror
 * @property {string} retention
 * @property {string} storage
 * @property {number} max_age
 * @property {number} max_bytes
 * @property {number} max_msgs
 * @property {number} max_msgs_per_subject
 * @property {string} discard
 * @property {number} messages
 * @property {number} bytes
 * @property {number} first_seq
 * @property {number} last_seq
 * @property {number | null} first_time
 * @property {number | null} last_time
 * @property {number} num_subjects
 * @property {string | null} owner
 * @property {boolean} keeps_dead
 * @property {Consumer[]} consumers
 * @property {string[]} silent
 */

/**
 * @typedef {object} Account
 * @property {string} version
 * @property {string | null} account
 * @property {string | null} user
 * @property {string | null} server
 * @property {number} memory
 * @property {number} storage
 * @property {number} max_memory
 * @property {number} max_storage
 * @property {Record<string, number>} dead
 * @property {string[]} silent
 */

/**
 * @typedef {object} Service
 * @property {string} name
 * @property {number} replicas
 * @property {{ subject: string, streams: string[] }[]} publishes
 * @property {string[]} consumes
 * @property {string[]} reads
 * @property {string[]} writes
 * @property {string[]} requests
 * @property {string[]} replies
 */

/** @typedef {{ name: string, streams: string[], services: Service[], dead: { consumer: string, stream: string }[] }} Topology */
/** @typedef {{ topologies: Topology[], error: string | null, findings: string | null, commands: string[] }} Declared */
/** @typedef {{ field: string, before: string, after: string }} Change */

/**
 * @typedef {object} Step
 * @property {string} sign
 * @property {string} action
 * @property {string} kind
 * @property {string} target
 * @property {Change[]} changes
 * @property {string[]} losses
 * @property {string[]} notes
 * @property {string[]} flags
 */

/**
 * @typedef {object} Plan
 * @property {string} topology
 * @property {string} [error]
 * @property {Step[]} [steps]
 * @property {{ kind: string, target: string, reason: string }[]} [refused]
 * @property {string[]} [unmanaged]
 * @property {number} [same]
 */

/**
 * @typedef {object} Event
 * @property {number} number
 * @property {number} at
 * @property {string} [error]
 * @property {Account} [account]
 * @property {string[]} [names]
 * @property {Declared} [declared]
 * @property {{ plans: Plan[] }} [drift]
 * @property {Stream[]} streams
 */

/** Points that a small chart has. */
export const POINTS = 90;
/** Samples over which a rate is an average. */
const WINDOW = 4;
/** Most things whose history is kept. */
const SERIES_MAX = 2000;

/** A counter that only grows, and how fast. */
class Series {
  /** @type {{ at: number, value: number }[]} */
  newest = [];
  /** @type {number[]} */
  points = [];

  /** @param {number} at @param {number} value */
  take(at, value) {
    const last = this.newest[this.newest.length - 1];
    // Made anew, it counts from the beginning.
    if (last && value < last.value) this.newest = [];
    else if (last && at > last.at) {
      this.points.push(((value - last.value) * 1000) / (at - last.at));
      if (this.points.length > POINTS) this.points.shift();
    }
    this.newest.push({ at, value });
    if (this.newest.length > WINDOW) this.newest.shift();
  }

  /** How fast it grows, each second. */
  get rate() {
    const first = this.newest[0];
    const last = this.newest[this.newest.length - 1];
    if (!first || !last || last.at <= first.at) return 0;
    return ((last.value - first.value) * 1000) / (last.at - first.at);
  }
}

/** What a level was. */
class Level {
  /** @type {number[]} */
  points = [];

  /** @param {number} value */
  take(value) {
    this.points.push(value);
    if (this.points.length > POINTS) this.points.shift();
  }
}

/** @typedef {"connecting" | "live" | "lost" | "paused"} Connection */

export class Store {
  /** @type {Map<string, Stream>} */
  streams = new Map();
  /** @type {Account | null} */
  account = null;
  /** @type {Declared | null} */
  declared = null;
  /** @type {Plan[]} */
  plans = [];
  /** @type {string | null} */
  error = null;
  /** @type {Connection} */
  connection = "connecting";
  /** The word with which something may be published, where that is allowed. @type {string | null} */
  token = null;
  paused = false;
  /** Whether anything was heard at all. */
  heard = false;
  /** @type {Map<string, Series>} */
  series = new Map();
  totals = {
    stored: new Series(), delivered: new Series(), acked: new Series(),
    pending: new Level(), unacked: new Level(), dead: new Level(), bytes: new Level(),
  };
  /** Counts changes of what there is, not of numbers. */
  shape = 0;

  /** @type {(() => void)[]} */
  #listeners = [];
  /** @type {EventSource | null} */
  #source = null;
  #epoch = "";
  #lost = 0;
  /** What each counter was at last, with what came from those that are gone. */
  #sums = { stored: 0, delivered: 0, acked: 0 };
  /** @type {Map<string, number>} */
  #before = new Map();
  #signature = "";

  /** @param {() => void} listener */
  listen(listener) {
    this.#listeners.push(listener);
  }

  tell() {
    for (const listener of this.#listeners) listener();
  }

  /** Listens to the server; while nobody sees the page, it does not. */
  start() {
    const turn = () => (document.hidden ? this.#close() : this.#open());
    document.addEventListener("visibilitychange", turn);
    turn();
  }

  #open() {
    if (this.#source) return;
    const source = new EventSource("/page/api/events");
    this.#source = source;
    source.addEventListener("hello", (event) => {
      const hello = JSON.parse(event.data);
      this.token = hello.publish;
      if (hello.epoch !== this.#epoch) {
        this.#epoch = hello.epoch;
        this.#forget();
      }
    });
    source.addEventListener("message", (event) => {
      clearTimeout(this.#lost);
      this.connection = "live";
      if (!this.paused) this.take(JSON.parse(event.data));
      this.tell();
    });
    source.addEventListener("error", () => {
      clearTimeout(this.#lost);
      // A connection is made anew now and then; only a longer silence is worth a word.
      this.#lost = setTimeout(() => {
        this.connection = "lost";
        this.tell();
      }, 2500);
      if (source.readyState === EventSource.CLOSED) {
        this.#close();
        setTimeout(() => !document.hidden && this.#open(), 2000);
      }
    });
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #forget() {
    this.series.clear();
    this.#before.clear();
    for (const name of /** @type {const} */ (["stored", "delivered", "acked"])) {
      this.totals[name].newest = [];
    }
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    // What was missed comes at once, and is no speed.
    if (!paused) {
      this.#forget();
      this.#close();
      this.#open();
    }
    this.tell();
  }

  /** @param {Event} event */
  take(event) {
    this.heard = true;
    this.error = event.error ?? null;
    if (event.account) this.account = event.account;
    if (event.declared) this.declared = event.declared;
    if (event.drift) this.plans = event.drift.plans;
    for (const stream of event.streams) this.streams.set(stream.name, stream);
    if (event.names) {
      const names = new Set(event.names);
      for (const name of this.streams.keys()) if (!names.has(name)) this.streams.delete(name);
    }
    if (!event.error) this.#count(event.at);
    this.#sign();
  }

  /** @param {number} at */
  #count(at) {
    let [pending, unacked, bytes] = [0, 0, 0];
    const now = new Map();
    /** @param {"stored" | "delivered" | "acked"} sum @param {string} key @param {number} value */
    const grow = (sum, key, value) => {
      now.set(key, value);
      const before = this.#before.get(key);
      if (before !== undefined && value > before) this.#sums[sum] += value - before;
      let series = this.series.get(key);
      if (!series) {
        if (this.series.size >= SERIES_MAX) return;
        series = new Series();
        this.series.set(key, series);
      }
      series.take(at, value);
    };
    for (const stream of this.streams.values()) {
      bytes += stream.bytes;
      grow("stored", `in ${stream.name}`, stream.last_seq);
      for (const consumer of stream.consumers) {
        pending += consumer.pending;
        unacked += consumer.ack_pending;
        const name = `${stream.name}/${consumer.name}`;
        grow("delivered", `out ${name}`, consumer.delivered);
        grow("acked", `ack ${name}`, consumer.acked);
      }
    }
    for (const key of this.series.keys()) if (!now.has(key)) this.series.delete(key);
    this.#before = now;
    for (const name of /** @type {const} */ (["stored", "delivered", "acked"])) {
      this.totals[name].take(at, this.#sums[name]);
    }
    this.totals.pending.take(pending);
    this.totals.unacked.take(unacked);
    this.totals.bytes.take(bytes);
    this.totals.dead.take(this.dead);
  }

  /** Whether there is something else than before. */
  #sign() {
    const streams = [...this.streams.values()].map((stream) => [
      stream.name, stream.subjects, stream.sources, stream.mirror,
      stream.consumers.map((consumer) => consumer.name),
    ]);
    const signature = JSON.stringify([streams, this.declared?.topologies]);
    if (signature !== this.#signature) {
      this.#signature = signature;
      this.shape += 1;
    }
  }

  /** Messages that were given up. */
  get dead() {
    return Object.values(this.account?.dead ?? {}).reduce((sum, n) => sum + n, 0);
  }

  /** @param {string} key */
  rate(key) {
    return this.series.get(key)?.rate ?? 0;
  }

  /** @param {string} key */
  points(key) {
    return this.series.get(key)?.points ?? [];
  }

  /** @param {string} stream @param {string} name */
  consumer(stream, name) {
    return this.streams.get(stream)?.consumers.find((one) => one.name === name);
  }

  /** Every declared service. @returns {Service[]} */
  get services() {
    return (this.declared?.topologies ?? []).flatMap((topology) => topology.services);
  }

  /** How many things are not as declared. */
  get drift() {
    return this.plans.reduce((sum, plan) => {
      return sum + (plan.steps?.length ?? 0) + (plan.refused?.length ?? 0) + (plan.error ? 1 : 0);
    }, 0);
  }
}

/**
 * How a consumer does.
 * @param {Store} store
 * @param {Stream} stream
 * @param {Consumer} consumer
 * @returns {{ level: "good" | "busy" | "bad", word: string }}
 */
export function health(store, stream, consumer) {
  const idle = store.rate(`out ${stream.name}/${consumer.name}`) === 0;
  const absent = consumer.push ? !consumer.push_bound : consumer.waiting === 0;
  if (consumer.paused) return { level: "busy", word: "paused" };
  const full = consumer.max_ack_pending > 0 && consumer.ack_pending >= consumer.max_ack_pending;
  if (full) return { level: "bad", word: "too many unacknowledged" };
  if (consumer.pending > 0 && idle && absent) return { level: "bad", word: "nobody asks" };
  if (consumer.pending > 0) return { level: "busy", word: "behind" };
  if (consumer.ack_pending > 0) return { level: "busy", word: "at work" };
  return { level: "good", word: "up to date" };
}
