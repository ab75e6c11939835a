// The tree as a list to be opened, with a bar per node: the same figures as the wheel's, to be read and reached by key.
import { make, percent, said } from "./tree.js";

function row(node, { share, best, second }) {
  const lit = best.includes(node), next = second.includes(node);
  const bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", share(node));
  const mark = lit ? " lit" : next ? " second" : "";
  return make("span", { class: `row${mark}` },
    make("span", { class: "name" }, said(node.name)), bar, make("span", { class: "number" }, percent(share(node))));
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

/** Replace what stands in `place`. view: {share(node), best, second}: nodes of the paths. */
export const outline = (place, tree, view) => place.replaceChildren(list(tree.root, view));
