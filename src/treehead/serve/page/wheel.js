// The tree as rings around the image: the top level inside, the leaves outside.
import { percent, readable } from "./tree.js";

const SVG = "http://www.w3.org/2000/svg";
const CORE = 92, RIM = 308, GAP = 3;

function shape(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

const point = (radius, angle) => `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;

function segment(inner, outer, from, to) {
  const half = GAP / 2 / ((inner + outer) / 2);
  const [a, b] = to - from > 3 * half ? [from + half / 2, to - half / 2] : [from, to];
  const end = Math.min(b, a + 2 * Math.PI - 1e-3), large = end - a > Math.PI ? 1 : 0;
  return `M${point(inner, a)}L${point(outer, a)}A${outer} ${outer} 0 ${large} 1 ${point(outer, end)}` +
    `L${point(inner, end)}A${inner} ${inner} 0 ${large} 0 ${point(inner, a)}Z`;
}

/** Break a name into lines of at most `width` letters; null if a word is longer. */
function lines(name, width) {
  const broken = [""];
  for (const word of readable(name).split(" ")) {
    if (word.length > width) return null;
    const last = broken[broken.length - 1];
    if (last && last.length + 1 + word.length > width) broken.push(word);
    else broken[broken.length - 1] = last ? `${last} ${word}` : word;
  }
  return broken;
}

/** The largest font size at which a name fits its segment; null if none does. */
function fitting(node, inner, outer, angle) {
  for (const size of [10.5, 10, 9, 8, 7.2]) {
    const text = lines(node.name, Math.floor((outer - inner - 8) / (size * 0.53)));
    const room = angle * (inner + (outer - inner) / 4) - 1;
    if (text && text.length * size * 1.08 <= room) return { size, text };
  }
  return null;
}

function label(node, inner, outer, from, to, parent) {
  const fit = fitting(node, inner, outer, to - from);
  if (!fit) return;
  const { size, text: rows } = fit, high = size * 1.08;
  const middle = (from + to) / 2, left = middle > Math.PI;
  const turn = (middle * 180) / Math.PI - 90 + (left ? 180 : 0);
  const at = left ? -(inner + outer) / 2 : (inner + outer) / 2;
  const text = shape("text", { class: `label level-${node.level}`, transform: `rotate(${turn.toFixed(2)})`, "font-size": size }, parent);
  rows.forEach((line, i) => {
    const y = (i - (rows.length - 1) / 2) * high + size * 0.34;
    shape("tspan", { x: at.toFixed(1), y: y.toFixed(1) }, text).textContent = line;
  });
  node.label = text;
}

/** Draw the tree; returns {show, reset}. Calls `onHover(node or null)` and `onSelect(node)`. */
export function wheel(svg, tree, { onHover, onSelect }) {
  const rings = tree.levels.length, total = tree.nodes[0].length;
  const wide = (RIM - CORE) / (rings + 0.2);
  const radius = (level) => CORE + (rings - 1 - level) * wide;
  const clip = shape("clipPath", { id: "core" }, shape("defs", {}, svg));
  shape("circle", { r: CORE - 8 }, clip);
  const segments = shape("g", {}, svg), labels = shape("g", { class: "labels" }, svg);
  const bySegment = new Map();
  let leaf = 0;
  const place = (node) => {
    const from = leaf;
    if (node.level === 0) leaf += 1;
    for (const child of node.children) place(child);
    if (node === tree.root) return;
    const [a, b] = [from, leaf].map((n) => (2 * Math.PI * n) / total);
    const inner = radius(node.level) + GAP / 2, outer = node.level === 0 ? RIM : radius(node.level - 1) - GAP / 2;
    node.segment = shape("path", { d: segment(inner, outer, a, b), class: "segment" }, segments);
    bySegment.set(node.segment, node);
    label(node, inner, outer, a, b, labels);
  };
  place(tree.root);
  const picture = shape("image", {
    x: 8 - CORE, y: 8 - CORE, width: 2 * CORE - 16, height: 2 * CORE - 16,
    preserveAspectRatio: "xMidYMid slice", "clip-path": "url(#core)",
  }, svg);
  const frame = shape("circle", { r: CORE - 8, class: "frame" }, svg);
  const prompt = shape("g", { class: "prompt" }, svg);
  shape("path", { d: "M0 -34V2M-15 -13L0 2L15 -13M-30 14V24H30V14", class: "arrow" }, prompt);
  shape("text", { y: 48, "text-anchor": "middle" }, prompt).textContent = "Drop an image";

  svg.addEventListener("pointermove", (event) => onHover(bySegment.get(event.target) ?? null));
  svg.addEventListener("pointerleave", () => onHover(null));
  svg.addEventListener("click", (event) => bySegment.has(event.target) && onSelect(bySegment.get(event.target)));

  function clear() {
    for (const node of tree.byKey.values()) {
      node.segment.setAttribute("class", "segment");
      node.label?.setAttribute("class", `label level-${node.level}`);
    }
  }
  return {
    /** Highlight two paths. Nodes of the best path below `deepest`, the level of the answer, are only outlined. */
    show({ src, best, second, deepest, share }) {
      clear();
      for (const node of tree.byKey.values()) node.segment.style.setProperty("--share", Math.sqrt(share(node)).toFixed(3));
      for (const node of second) node.segment.classList.add("second");
      for (const node of best) {
        const confident = node.level >= deepest;
        node.segment.classList.add("lit", ...(confident ? ["confident"] : []));
        node.segment.classList.remove("second");
        node.label?.classList.add("lit", ...(confident ? ["confident"] : []));
      }
      for (const node of [...second, ...best]) segments.append(node.segment); // draw their outlines above the others
      picture.setAttribute("href", src);
      frame.classList.add("filled");
      prompt.style.display = "none";
      const path = best.map((node) => `${readable(node.name)} ${percent(share(node))}`);
      svg.setAttribute("aria-label", `The label tree. Best path: ${path.join(", ")}.`);
    },
    reset() {
      clear();
      for (const node of tree.byKey.values()) node.segment.style.removeProperty("--share");
      picture.removeAttribute("href");
      frame.classList.remove("filled");
      prompt.style.display = "";
      svg.setAttribute("aria-label", "The label tree");
    },
  };
}
