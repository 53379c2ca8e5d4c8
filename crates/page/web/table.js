// Tables that are sorted, filtered and kept up to date without being made anew.

import { h, mark, put } from "./dom.js";

/**
 * @template R
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: R) => string} text
 * @property {(row: R) => number | string} [by]  What it is sorted by, if not the text.
 * @property {boolean} [number]
 * @property {(row: R) => string | null} [level]
 * @property {(row: R) => SVGElement | null} [chart]
 * @property {boolean} [minor]  Left out on a narrow screen.
 */

/** Rows that are drawn. */
const ROWS_MAX = 500;

/**
 * @template R
 * @param {object} given
 * @param {string} given.label
 * @param {Column<R>[]} given.columns
 * @param {(row: R) => string} given.key
 * @param {(row: R) => string | null} given.open  Where a row leads.
 * @param {() => Node} given.empty
 * @param {number} [given.sort]  Column that it is sorted by at first.
 */
export function table({ label, columns, key, open, empty, sort = 0 }) {
  let by = sort;
  let reversed = false;
  /** @type {R[]} */
  let all = [];
  let wanted = "";
  /** @type {Map<string, { element: HTMLTableRowElement, cells: HTMLTableCellElement[], charts: (SVGElement | null)[] }>} */
  const known = new Map();
  const body = h("tbody");
  const heads = columns.map((column, index) => {
    const button = h("button", { type: "button", class: "sort" }, column.title);
    button.addEventListener("click", () => {
      reversed = by === index && !reversed;
      by = index;
      draw();
    });
    return h("th", { scope: "col", class: classes(column) }, button);
  });
  const note = h("p", { class: "faint", hidden: true });
  const nothing = h("div", { class: "empty" });
  const grid = h("table", { "aria-label": label }, h("thead", {}, h("tr", {}, ...heads)), body);
  const element = h("div", { class: "table" }, grid, note, nothing);

  const draw = () => {
    heads.forEach((head, index) => mark(head, "aria-sort", index === by ? (reversed ? "ascending" : "descending") : null));
    const column = columns[by];
    const worth = (/** @type {R} */ row) => (column.by ? column.by(row) : column.text(row));
    const filter = wanted.toLowerCase();
    const rows = all.filter((row) => !filter || columns.some((one) => one.text(row).toLowerCase().includes(filter)));
    rows.sort((a, b) => {
      const [one, other] = [worth(a), worth(b)];
      // Numbers begin with the largest, texts with A.
      const order = typeof one === "number" && typeof other === "number" ? other - one : String(one).localeCompare(String(other));
      return (reversed ? -order : order) || key(a).localeCompare(key(b));
    });
    const shown = rows.slice(0, ROWS_MAX);
    const keys = new Set();
    shown.forEach((row, index) => {
      const name = key(row);
      keys.add(name);
      let line = known.get(name);
      if (!line) {
        line = make(row);
        known.set(name, line);
      }
      columns.forEach((one, at) => {
        const cell = line.cells[at];
        mark(cell, "data-level", one.level?.(row) ?? null);
        if (!one.chart) put(cell.firstElementChild ?? cell, one.text(row));
      });
      if (body.children[index] !== line.element) body.insertBefore(line.element, body.children[index] ?? null);
    });
    for (const [name, line] of known) {
      if (keys.has(name)) continue;
      line.element.remove();
      known.delete(name);
    }
    grid.hidden = shown.length === 0;
    note.hidden = rows.length <= ROWS_MAX;
    put(note, `${rows.length - ROWS_MAX} more: filter by name (/).`);
    nothing.hidden = shown.length > 0;
    if (shown.length === 0) nothing.replaceChildren(filter && all.length > 0 ? h("p", {}, `Nothing fits “${wanted}”.`) : empty());
  };

  /** @param {R} row */
  const make = (row) => {
    const to = open(row);
    const charts = columns.map((column) => column.chart?.(row) ?? null);
    const cells = columns.map((column, index) => {
      const inner = index === 0 && to ? h("a", { href: to }, column.text(row)) : charts[index];
      return h("td", { class: classes(column), "data-title": column.title }, inner);
    });
    const line = h("tr", {}, ...cells);
    if (to) {
      line.addEventListener("click", (event) => {
        if (!(event.target instanceof HTMLAnchorElement)) location.hash = to;
      });
      line.classList.add("leads");
    }
    return { element: line, cells, charts };
  };

  return {
    element,
    /** @param {R[]} rows @param {string} [filter] */
    update(rows, filter = "") {
      all = rows;
      wanted = filter;
      draw();
    },
  };
}

/** @param {Column<any>} column */
function classes(column) {
  return [column.number ? "number" : "", column.minor ? "minor" : ""].filter(Boolean).join(" ") || null;
}
