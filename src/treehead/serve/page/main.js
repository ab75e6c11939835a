// Images by file, drop, paste or sample; predictions from the endpoint; the page that shows them.
import { outline } from "./outline.js";
import { linked, make, nodesOf, percent, readable } from "./tree.js";
import { wheel } from "./wheel.js";

const MAX_REQUESTS = 4;
const IDLE = ["Choose an image", "It is shown in the centre of the tree, and its path is highlighted from the top level outwards."];
const $ = (id) => document.getElementById(id);
const [model, tree, samples] = await Promise.all([
  request("api/model"), request("api/tree").then(linked), request("api/samples")]);
const items = []; // {file, src, name, truth, button, requests, prediction or error, under}
let current = null, running = 0;

const drawing = wheel($("wheel"), tree, { onHover: hint, onSelect: (node) => current?.prediction && restrict(node.key) });
describeModel();
listSamples();
show(null);

async function request(address, body) {
  let response;
  try {
    response = await fetch(address, body && { method: "POST", body });
  } catch {
    throw new Error("cannot reach the server; is treehead serve still running?");
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(data.detail ?? `the server answered with status ${response.status}`);
  return data;
}

function describeModel() {
  document.title = `treehead: ${model.name}`;
  const sizes = model.levels.map((level, i) => `${model.classes[i]} ${readable(level)}`).join(", ");
  const leaf = model.levels[0];
  const accuracy = model.accuracy?.[leaf];
  $("model").textContent = `${model.name}: ${sizes} classes` +
    (accuracy ? `; test accuracy ${(100 * accuracy).toFixed(1)} % (${readable(leaf)})` : "");
  $("bound-part").hidden = !model.bounds.length;
  $("bound").append(...model.bounds.map(({ max_error, threshold }) =>
    make("option", { value: threshold }, `at most ${100 * max_error} % errors allow`)));
  $("bound").title = model.calibration;
  $("under").append(make("option", { value: "" }, "all classes"));
  for (let level = model.levels.length - 1; level >= 0; level--) {
    const nodes = [...tree.nodes[level]].sort((a, b) => a.name.localeCompare(b.name));
    $("under").append(make("optgroup", { label: readable(model.levels[level]) },
      ...nodes.map((node) => make("option", { value: node.key }, readable(node.name)))));
  }
}

function listSamples() {
  $("samples-part").hidden = !samples.length;
  $("samples-title").textContent = samples[0]?.drawn ? "or try a drawing" : "or try a sample";
  for (const sample of samples) {
    const title = readable(sample.title);
    const button = make("button", { "aria-label": `Sample: ${title}`, title },
      make("img", { src: sample.href, alt: "", width: 64, height: 64 }));
    button.addEventListener("click", async () => {
      const image = await (await fetch(sample.href)).blob();
      add([new File([image], title, { type: image.type })], { truth: title });
    });
    $("samples").append(make("li", {}, button));
  }
}

/** Add images and predict them; truth: the class they show, if known. */
function add(files, { truth } = {}) {
  const before = items.length;
  for (const file of files) {
    const item = { file, truth, requests: 0, src: URL.createObjectURL(file), name: file.name || "pasted image" };
    item.button = make("button", { class: "waiting", title: item.name },
      make("img", { src: item.src, alt: "", width: 56, height: 56 }), make("span", {}, item.name));
    item.button.addEventListener("click", () => show(item));
    $("images").prepend(make("li", {}, item.button));
    items.push(item);
  }
  if (items.length === before) return;
  count();
  show(items[before]);
  work();
}

function count() {
  $("images-part").hidden = !items.length;
  const pending = items.filter((item) => !item.prediction && !item.error).length;
  $("images-title").textContent = `${items.length} image${items.length > 1 ? "s" : ""}` + (pending ? `, ${pending} pending` : "");
}

function work() {
  for (const item of items) {
    if (running >= MAX_REQUESTS) return;
    if (!item.requests) predict(item);
  }
}

async function predict(item) {
  const number = ++item.requests, under = item.under ?? "";
  let prediction, error;
  running++;
  try {
    if (item.file.size > model.limits.bytes)
      throw new Error(`${item.name} has ${(item.file.size / 2 ** 20).toFixed(1)} MB; the limit is ${model.limits.bytes / 2 ** 20} MB`);
    const form = new FormData();
    form.append("images", item.file, item.name);
    const query = new URLSearchParams({ top: 2, nodes: true, ...(under && { under }) });
    [prediction] = (await request(`api/predict?${query}`, form)).predictions;
  } catch (failure) {
    error = failure.message;
  }
  running--;
  if (number !== item.requests) return work(); // a later request for the same image replaces this one
  Object.assign(item, { prediction, error });
  label(item);
  count();
  if (item === current) show(item);
  work();
}

function label(item) {
  item.button.className = item.error ? "failed" : "";
  item.button.lastChild.textContent = item.error ? "failed" : readable(item.prediction.paths[0].path[0]);
}

function restrict(under) {
  current.under = under;
  $("under").value = under;
  predict(current);
}

function show(item) {
  current = item;
  for (const other of items) other.button.setAttribute("aria-pressed", other === item);
  const prediction = item?.prediction;
  for (const part of ["settings", "outline-part"]) $(part).hidden = !prediction;
  if (!prediction) {
    drawing.reset();
    hint(null);
    $("paths").replaceChildren();
    const [title, text] = !item ? IDLE : item.error ? ["Cannot classify this file", item.error] : ["Classifying …", item.name];
    $("answer").replaceChildren(make("h2", { class: item?.error ? "error" : "idle" }, title), make("p", { class: "quiet" }, text));
    return;
  }
  $("under").value = item.under ?? "";
  draw();
}

/** Show the prediction of the current image at the current confidence threshold. */
function draw() {
  const { paths, nodes, levels } = current.prediction;
  const share = (node) => nodes[tree.levels[node.level]][node.name];
  const best = nodesOf(tree, paths[0].path);
  const second = paths[1] ? nodesOf(tree, paths[1].path).filter((_, i, path) => path.every(share)) : []; // none if restricted to a leaf
  $("bound").disabled = Boolean(current.under); // a bound holds for the whole tree
  const bound = current.under ? "" : $("bound").value;
  $("threshold-part").hidden = bound !== "";
  const threshold = bound === "" ? $("threshold").value / 100 : Number(bound);
  const answer = best.find((node) => share(node) >= threshold); // leaf first: the deepest
  $("threshold-value").textContent = `${$("threshold").value} %`;
  drawing.show({ src: current.src, best, second, deepest: answer ? answer.level : tree.levels.length, share });
  describeAnswer({ best, answer, share, levels });
  $("paths").replaceChildren(
    pathPart("Best path", "lit", best, share),
    ...(second.length ? [pathPart("Second-best path", "second", second, share)] : []));
  outline($("outline"), tree, { share, best, second });
  hint(null);
}

function describeAnswer({ best, answer, share, levels }) {
  const leaf = best[0], level = (node) => readable(tree.levels[node.level]);
  const title = make("h2", {}, answer ? readable(answer.name) : "No confident answer");
  const sentences = [
    answer
      ? `${percent(share(answer))} confidence at the ${level(answer)} level.`
      : `No level reaches the threshold; the best leaf is ${readable(leaf.name)}.`,
    answer && answer !== leaf && `Below the threshold: ${readable(leaf.name)}, ${percent(share(leaf))}.`,
    ...best.filter((node) => levels[tree.levels[node.level]].answer !== node.name)
      .map((node) => `The ${level(node)} head alone answers ${readable(levels[tree.levels[node.level]].answer)}.`),
    current.truth && `The sample shows: ${current.truth}.`,
  ];
  $("answer").replaceChildren(title, make("p", { class: "quiet" }, sentences.filter(Boolean).join(" ")));
}

function pathPart(title, kind, path, share) {
  const steps = path.map((node) =>
    make("li", {}, make("span", { class: "name" }, readable(node.name)), " ", make("span", { class: "number" }, percent(share(node)))));
  return make("div", { class: `ribbon ${kind}` },
    make("p", { class: "small" }, make("b", {}, title)),
    make("ol", {}, ...steps));
}

function hint(node) {
  const prediction = current?.prediction;
  if (!node) {
    $("hint").textContent = prediction ? "Point at a segment for its probability; click it to restrict the answer to it." : "";
    return;
  }
  const level = tree.levels[node.level];
  $("hint").textContent = `${readable(node.name)} (${readable(level)})` + (prediction ? `: ${percent(prediction.nodes[level][node.name])}` : "");
}

$("file").addEventListener("change", () => { add($("file").files); $("file").value = ""; });
$("threshold").addEventListener("input", draw);
$("bound").addEventListener("change", draw);
$("under").addEventListener("change", () => restrict($("under").value));
$("clear").addEventListener("click", () => {
  for (const item of items.splice(0)) URL.revokeObjectURL(item.src);
  $("images").replaceChildren();
  count();
  show(null);
  $("file").focus();
});
addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => { if (hasFiles(event)) { event.preventDefault(); $("drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
addEventListener("drop", (event) => {
  $("drop").hidden = true;
  if (!hasFiles(event)) return;
  event.preventDefault();
  add(event.dataTransfer.files);
});
document.body.dataset.ready = "yes";
