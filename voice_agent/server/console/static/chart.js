// A small picture of times by day: the median as a line, up to the 95th percentile as a band.
import { el, svg } from "./dom.js";
import { duration } from "./format.js";

const WIDTH = 560;
const HEIGHT = 150;
const LEFT = 72;
const BOTTOM = 22;
const TOP = 10;

// `days`: [{day, p50, p95, count}] in order; `limit`: a line that should not be passed, in ms, or 0.
export function chart(title, days, limit) {
  const most = Math.max(limit * 1.2, ...days.map((day) => day.p95)) || 1;
  const step = niceStep(most);
  const top = Math.ceil(most / step) * step;
  const x = (index) => LEFT + (days.length === 1 ? (WIDTH - LEFT) / 2 : (index * (WIDTH - LEFT - 32)) / (days.length - 1) + 12);
  const y = (ms) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - ms / top);
  const points = (key) => days.map((day, index) => `${x(index)},${y(day[key])}`);
  const parts = [];
  for (let ms = 0; ms <= top; ms += step) {
    parts.push(svg("line", { x1: LEFT, x2: WIDTH, y1: y(ms), y2: y(ms), class: "grid" }));
    parts.push(svg("text", { x: LEFT - 6, y: y(ms) + 4, "text-anchor": "end" }, duration(ms)));
  }
  if (limit) {
    parts.push(svg("line", { x1: LEFT, x2: WIDTH, y1: y(limit), y2: y(limit), class: "limit" }));
    parts.push(svg("text", { x: WIDTH - 4, y: y(limit) - 4, "text-anchor": "end", class: "limit-name" }, `late: over ${duration(limit)}`));
  }
  parts.push(svg("polygon", { points: [...points("p50"), ...points("p95").reverse()].join(" "), class: "band" }));
  parts.push(svg("polyline", { points: points("p95").join(" "), class: "p95" }));
  parts.push(svg("polyline", { points: points("p50").join(" "), class: "p50" }));
  const every = Math.ceil(days.length / 7);
  days.forEach((day, index) => {
    const told = `${day.day}: median ${duration(day.p50)}, 95 % within ${duration(day.p95)}, of ${day.count}`;
    parts.push(svg("g", {}, svg("title", {}, told),
      svg("circle", { cx: x(index), cy: y(day.p95), r: 2.5, class: "p95" }),
      svg("circle", { cx: x(index), cy: y(day.p50), r: 3, class: "p50" }),
      svg("rect", { x: x(index) - 8, y: TOP, width: 16, height: HEIGHT - TOP - BOTTOM, class: "touch" })));
    if (index % every === 0) parts.push(svg("text", { x: x(index), y: HEIGHT - 6, "text-anchor": "middle" }, day.day.slice(5)));
  });
  const last = days.at(-1);
  const label = `${title}: on ${last.day} ${duration(last.p50)} in the median, 95 % within ${duration(last.p95)}`;
  return el("figure", {}, el("figcaption", {}, el("strong", {}, title), " ",
    el("span", { class: "dots p50" }), "median ", el("span", { class: "dots p95" }), "95 % were within"),
    svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" }, ...parts));
}

function niceStep(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
}
