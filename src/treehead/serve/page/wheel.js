// The whole tree as rings around the image: the widest level within, the leaves without.
import { percent, said } from "./tree.js";

const SVG = "http://www.w3.org/2000/svg";
const HEART = 92, RIM = 308, GAP = 3;

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

/** Break a name into lines of at most `most` letters; null where a word is longer. */
function lines(name, most) {
  const made = [""];
  for (const word of said(name).split(" ")) {
    if (word.length > most) return null;
    const last = made[made.length - 1];
    if (last && last.length + 1 + word.length > most) made.push(word);
    else made[made.length - 1] = last ? `${last} ${word}` : word;
  }
  return made;
}

/** The largest letters that let a name stand in its segment; none where even small ones do not. */
function fitting(node, inner, outer, angle) {
  for (const size of [10.5, 10, 9, 8]) {
    const written = lines(node.name, Math.floor((outer - inner - 6) / (size * 0.5)));
    const room = angle * (inner + (outer - inner) / 4) - 1;
    if (written && written.length * size * 1.08 <= room) return { size, written };
  }
  return null;
}

function label(node, inner, outer, from, to, parent) {
  const fit = fitting(node, inner, outer, to - from);
  if (!fit) return;
  const { size, written } = fit, high = size * 1.08;
  const middle = (from + to) / 2, left = middle > Math.PI;
  const turn = (middle * 180) / Math.PI - 90 + (left ? 180 : 0);
  const at = left ? -(inner + outer) / 2 : (inner + outer) / 2;
  const text = shape("text", { class: `label level-${node.level}`, transform: `rotate(${turn.toFixed(2)})`, "font-size": size }, parent);
  written.forEach((line, i) => {
    const y = (i - (written.length - 1) / 2) * high + size * 0.34;
    shape("tspan", { x: at.toFixed(1), y: y.toFixed(1) }, text).textContent = line;
  });
  node.label = text;
}

/** Draws the tree once; gives {show, rest}. `pointed(node or null)` hears of the pointer, `chosen(node)` of a click. */
export function wheel(svg, tree, { pointed, chosen }) {
  const rings = tree.levels.length, total = tree.nodes[0].length;
  const wide = (RIM - HEART) / (rings + 0.2);
  const radius = (level) => HEART + (rings - 1 - level) * wide;
  const clip = shape("clipPath", { id: "heart" }, shape("defs", {}, svg));
  shape("circle", { r: HEART - 8 }, clip);
  const segments = shape("g", {}, svg), labels = shape("g", { class: "labels" }, svg);
  const bySegment = new Map();
  let leaf = 0;
  const lay = (node) => {
    const from = leaf;
    if (node.level === 0) leaf += 1;
    for (const child of node.children) lay(child);
    if (node === tree.root) return;
    const [a, b] = [from, leaf].map((n) => (2 * Math.PI * n) / total);
    const inner = radius(node.level) + GAP / 2, outer = node.level === 0 ? RIM : radius(node.level - 1) - GAP / 2;
    node.segment = shape("path", { d: segment(inner, outer, a, b), class: "segment" }, segments);
    bySegment.set(node.segment, node);
    label(node, inner, outer, a, b, labels);
  };
  lay(tree.root);
  const picture = shape("image", {
    x: 8 - HEART, y: 8 - HEART, width: 2 * HEART - 16, height: 2 * HEART - 16,
    preserveAspectRatio: "xMidYMid slice", "clip-path": "url(#heart)",
  }, svg);
  const frame = shape("circle", { r: HEART - 8, class: "frame" }, svg);
  const invitation = shape("g", { class: "invitation" }, svg);
  shape("path", { d: "M0 -34V2M-15 -13L0 2L15 -13M-30 14V24H30V14", class: "arrow" }, invitation);
  shape("text", { y: 48, "text-anchor": "middle" }, invitation).textContent = "Drop an image";

  svg.addEventListener("pointermove", (event) => pointed(bySegment.get(event.target) ?? null));
  svg.addEventListener("pointerleave", () => pointed(null));
  svg.addEventListener("click", (event) => bySegment.has(event.target) && chosen(bySegment.get(event.target)));

  function clear() {
    for (const node of tree.byKey.values()) {
      node.segment.setAttribute("class", "segment");
      node.label?.setAttribute("class", `label level-${node.level}`);
    }
  }
  return {
    /** Light the paths; `reach` is the level the answer stops at: what lies below it on the path is only outlined. */
    show({ src, best, second, reach, share }) {
      clear();
      for (const node of tree.byKey.values()) node.segment.style.setProperty("--share", Math.sqrt(share(node)).toFixed(3));
      for (const node of second) node.segment.classList.add("second");
      for (const node of best) {
        const sure = node.level >= reach;
        node.segment.classList.add("lit", ...(sure ? ["sure"] : []));
        node.segment.classList.remove("second");
        node.label?.classList.add("lit", ...(sure ? ["sure"] : []));
      }
      for (const node of [...second, ...best]) segments.append(node.segment); // their outlines lie above the others'
      picture.setAttribute("href", src);
      frame.classList.add("filled");
      invitation.style.display = "none";
      const path = [...best].reverse().map((node) => `${said(node.name)} ${percent(share(node))}`);
      svg.setAttribute("aria-label", `The label tree. The path ${path.join(", ")} is lit.`);
    },
    rest() {
      clear();
      for (const node of tree.byKey.values()) node.segment.style.removeProperty("--share");
      picture.removeAttribute("href");
      frame.classList.remove("filled");
      invitation.style.display = "";
      svg.setAttribute("aria-label", "The label tree");
    },
  };
}
