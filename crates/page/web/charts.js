// Small charts of what was.

import { s } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;
/** Fewer points than this do not fill the width. */
const SHOWN_MIN = 30;

/**
 * A line of points, the newest on the right.
 * @param {string} [kind]
 */
export function sparkline(kind = "rate") {
  const area = s("path", { class: "area" });
  const line = s("path", { class: "line" });
  const element = s(
    "svg",
    {
      class: `spark ${kind}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    area,
    line,
  );
  /** @param {number[]} points */
  const update = (points) => {
    element.classList.toggle("flat", !points.some((value) => value > 0));
    if (points.length < 2) {
      line.setAttribute("d", `M0 ${HEIGHT - 1}H${WIDTH}`);
      area.setAttribute("d", "");
      return;
    }
    const most = Math.max(...points, 1e-9);
    const least = kind === "level" ? Math.min(...points) : 0;
    const range = most - least || most || 1;
    const step = WIDTH / (Math.max(points.length, SHOWN_MIN) - 1);
    const from = WIDTH - step * (points.length - 1);
    const at = points.map((value, index) => {
      const x = from + step * index;
      const flat = most - least === 0;
      const y = HEIGHT - 1.5 - (flat && kind === "level" ? 0.3 : (value - least) / range) * (HEIGHT - 4);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    line.setAttribute("d", `M${at.join("L")}`);
    area.setAttribute("d", `M${from.toFixed(1)} ${HEIGHT}L${at.join("L")}L${WIDTH} ${HEIGHT}Z`);
  };
  update([]);
  return { element, update };
}
