// The label tree as linked nodes, and how names and probabilities are displayed.

export const readable = (name) => name.replaceAll("_", " ");
export const percent = (share) => `${(100 * share).toFixed(share < 0.0995 || share > 0.9949 ? 1 : 0)} %`;

/** {levels, nodes: per level, leaves first, root: {children}}; a node has key, name, level, parent, children, leaves. */
export function linked(tree) {
  const root = { children: [], depth: 0 };
  const nodes = tree.names.map((names, level) =>
    names.map((name) => ({ key: `${tree.levels[level]}:${name}`, name, level, children: [], leaves: 0 })));
  const last = tree.levels.length - 1;
  for (let level = last; level >= 0; level--)
    nodes[level].forEach((node, i) => {
      node.parent = level === last ? root : nodes[level + 1][tree.parents[level][i]];
      node.parent.children.push(node);
    });
  for (const leaf of nodes[0]) for (let node = leaf; node !== root; node = node.parent) node.leaves++;
  return { levels: tree.levels, nodes, root, byKey: new Map(nodes.flat().map((node) => [node.key, node])) };
}

/** The nodes of a path of names, leaf first. */
export const nodesOf = (tree, path) => path.map((name, level) => tree.byKey.get(`${tree.levels[level]}:${name}`));

/** Make an element: make("p", {class: "quiet"}, "text", child). */
export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}
