// The tree as a nested list with a bar per node: the probabilities of the wheel, as text and by keyboard.
import { make, percent, readable } from "./tree.js";

function row(node, { share, best, second }) {
  const lit = best.includes(node), runnerUp = second.includes(node);
  const bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", share(node));
  const mark = lit ? " lit" : runnerUp ? " second" : "";
  return make("span", { class: `row${mark}` },
    make("span", { class: "name" }, readable(node.name)), bar, make("span", { class: "number" }, percent(share(node))));
}

function branch(node, view) {
  if (!node.children.length) return make("li", { class: "leaf" }, row(node, view));
  const open = view.best.includes(node) || view.second.includes(node);
  const details = make("details", { open }, make("summary", {}, row(node, view)));
  const fill = () => details.open && details.children.length === 1 && details.append(list(node, view));
  details.addEventListener("toggle", fill);
  fill();
  return make("li", {}, details);
}

const list = (parent, view) =>
  make("ul", {}, ...[...parent.children].sort((a, b) => view.share(b) - view.share(a)).map((node) => branch(node, view)));

/** Fill `parent` with the list. view: {share(node), best, second}: probability, and the nodes of the two best paths. */
export const outline = (parent, tree, view) => parent.replaceChildren(list(tree.root, view));
