// Numbers as people read them.

/** @param {number} n */
export function count(n) {
  if (!Number.isFinite(n)) return "–";
  if (n < 10_000) return Math.round(n).toLocaleString("en");
  return short(n);
}

/** @param {number} n */
export function exact(n) {
  return n.toLocaleString("en");
}

/** @param {number} n */
function short(n) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[1e9, "G"], [1e6, "M"], [1e3, "k"]])) {
    if (n >= size) {
      const value = n / size;
      return (value < 100 ? value.toFixed(1) : value.toFixed(0)) + unit;
    }
  }
  return n.toFixed(0);
}

/** Messages a second. @param {number} n */
export function rate(n) {
  if (n <= 0) return "0";
  if (n < 0.1) return "<0.1";
  if (n < 100) return n.toFixed(1);
  if (n < 10_000) return Math.round(n).toLocaleString("en");
  return short(n);
}

/** @param {number} n */
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}

/** A time in its two largest units. @param {number} ms */
export function duration(ms) {
  if (ms < 1) return ms <= 0 ? "0s" : "<1ms";
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const units = /** @type {[number, string][]} */ ([[86_400, "d"], [3_600, "h"], [60, "m"], [1, "s"]]);
  let seconds = Math.round(ms / 1000);
  const parts = [];
  for (const [size, unit] of units) {
    const whole = Math.floor(seconds / size);
    if (whole > 0) parts.push(`${whole}${unit}`);
    seconds -= whole * size;
    if (parts.length === 2 || (parts.length > 0 && whole === 0)) break;
  }
  return parts.join(" ");
}

/** @param {number} nanos */
export function nanos(nanos) {
  return duration(nanos / 1e6);
}

/** How long ago. @param {number | null} ms @param {number} [now] */
export function ago(ms, now = Date.now()) {
  if (ms === null) return "never";
  const past = now - ms;
  if (past < 1000) return "now";
  const units = /** @type {[number, string][]} */ ([[86_400, "d"], [3_600, "h"], [60, "m"], [1, "s"]]);
  const seconds = Math.floor(past / 1000);
  for (const [size, unit] of units) {
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit} ago`;
  }
  return "now";
}

/** A limit of the API, where -1 and 0 mean none. @param {number} n @param {(n: number) => string} show */
export function limit(n, show) {
  return n > 0 ? show(n) : "unlimited";
}

/** @param {number} n @param {string} noun */
export function plural(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/**
 * JSON with a line for each value. Numbers stay as they were sent: they may be longer than
 * JavaScript counts.
 * @param {string} text
 * @returns {string | null} `null` for what is not JSON
 */
export function pretty(text) {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return null;
  try {
    JSON.parse(trimmed);
  } catch {
    return null;
  }
  let out = "";
  let depth = 0;
  const line = () => "\n" + "  ".repeat(Math.min(depth, 40));
  for (let at = 0; at < trimmed.length; at += 1) {
    const sign = trimmed[at];
    if (sign === '"') {
      const from = at;
      for (at += 1; trimmed[at] !== '"'; at += 1) if (trimmed[at] === "\\") at += 1;
      out += trimmed.slice(from, at + 1);
    } else if (sign === "{" || sign === "[") {
      const rest = trimmed.slice(at + 1).match(/^\s*[}\]]/);
      if (rest) {
        out += sign + rest[0].trim();
        at += rest[0].length;
      } else {
        depth += 1;
        out += sign + line();
      }
    } else if (sign === "}" || sign === "]") {
      depth -= 1;
      out += line() + sign;
    } else if (sign === ",") out += sign + line();
    else if (sign === ":") out += ": ";
    else if (!/\s/.test(sign)) out += sign;
  }
  return out;
}

/** Whether a subject fits a filter. @param {string} filter @param {string} subject */
export function fits(filter, subject) {
  const want = filter.split(".");
  const have = subject.split(".");
  for (let at = 0; at < want.length; at += 1) {
    if (want[at] === ">") return have.length > at;
    if (at >= have.length) return false;
    if (want[at] !== "*" && have[at] !== "*" && want[at] !== have[at]) return have[at] === ">";
  }
  return want.length === have.length;
}
