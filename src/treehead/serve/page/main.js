// Images in by file, drop, paste or sample; answers from the endpoint; the page drawn from what is told.
import { outline } from "./outline.js";
import { along, grow, make, percent, said } from "./tree.js";
import { wheel } from "./wheel.js";

const AT_ONCE = 4;
const $ = (id) => document.getElementById(id);
const [model, tree, samples] = await Promise.all([
  ask("api/model"), ask("api/tree").then(grow), ask("api/samples")]);
const given = []; // {file, src, name, truth, button, turn, answer or refusal, under}
let current = null, running = 0;

const drawn = wheel($("wheel"), tree, { pointed: read, chosen: (node) => current?.answer && choose(node.key) });
describe();
offer();

async function ask(address, body) {
  let response;
  try {
    response = await fetch(address, body && { method: "POST", body });
  } catch {
    throw new Error("treehead does not answer; is it still running?");
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.detail ?? `treehead answered with ${response.status}`);
  return told;
}

function describe() {
  document.title = `treehead: ${model.name}`;
  const sizes = model.levels.map((level, i) => `${model.classes[i]} ${said(level)}`).join(", ");
  const leaf = model.levels[0];
  const known = model.accuracy?.[leaf];
  $("model").textContent = `${model.name}: ${sizes}` + (known ? `; right on ${(100 * known).toFixed(1)} % of its test images (${said(leaf)})` : "");
  $("under").append(make("option", { value: "" }, "anything"));
  for (let level = model.levels.length - 1; level >= 0; level--) {
    const names = [...tree.nodes[level]].sort((a, b) => a.name.localeCompare(b.name));
    $("under").append(make("optgroup", { label: said(model.levels[level]) },
      ...names.map((node) => make("option", { value: node.key }, said(node.name)))));
  }
}

function offer() {
  $("samples-part").hidden = !samples.length;
  $("samples-title").textContent = samples[0]?.drawn ? "Or take one of these, drawn for this page" : "Or take one of its samples";
  for (const sample of samples) {
    const button = make("button", { "aria-label": `Sample: ${said(sample.title)}`, title: said(sample.title) },
      make("img", { src: sample.href, alt: "", width: 64, height: 64 }));
    button.addEventListener("click", async () => {
      const picture = await (await fetch(sample.href)).blob();
      take([new File([picture], said(sample.title), { type: picture.type })], { truth: said(sample.title) });
    });
    $("samples").append(make("li", {}, button));
  }
}

/** Show images and ask for them; truth: what they show, where that is known. */
function take(files, { truth } = {}) {
  const before = given.length;
  for (const file of files) {
    const item = { file, truth, turn: 0, src: URL.createObjectURL(file), name: file.name || "pasted image" };
    item.button = make("button", { class: "waiting", title: item.name },
      make("img", { src: item.src, alt: "", width: 56, height: 56 }), make("span", {}, item.name));
    item.button.addEventListener("click", () => show(item));
    $("given").prepend(make("li", {}, item.button));
    given.push(item);
  }
  if (given.length === before) return;
  tally();
  show(given[before]);
  work();
}

function tally() {
  $("given-part").hidden = !given.length;
  const open = given.filter((item) => !item.answer && !item.refusal).length;
  $("given-title").textContent = `${given.length} given` + (open ? `, ${open} to go` : "");
}

function work() {
  for (const item of given) {
    if (running >= AT_ONCE) return;
    if (!item.turn) place(item);
  }
}

async function place(item) {
  const turn = ++item.turn, under = item.under ?? "";
  let answer, refusal;
  running++;
  try {
    if (item.file.size > model.limits.bytes)
      throw new Error(`${item.name} has ${(item.file.size / 2 ** 20).toFixed(1)} MB; at most ${model.limits.bytes / 2 ** 20} are read`);
    const form = new FormData();
    form.append("images", item.file, item.name);
    const words = new URLSearchParams({ top: 2, nodes: true, ...(under && { under }) });
    [answer] = (await ask(`api/predict?${words}`, form)).predictions;
  } catch (error) {
    refusal = error.message;
  }
  running--;
  if (turn !== item.turn) return work(); // asked again meanwhile: the later answer counts
  Object.assign(item, { answer, refusal });
  label(item);
  tally();
  if (item === current) show(item);
  work();
}

function label(item) {
  item.button.className = item.refusal ? "refused" : "";
  item.button.lastChild.textContent = item.refusal ? "not read" : said(item.answer.paths[0].path[0]);
}

function choose(under) {
  current.under = under;
  $("under").value = under;
  place(current);
}

function show(item) {
  current = item;
  for (const other of given) other.button.setAttribute("aria-pressed", other === item);
  const told = item?.answer;
  for (const part of ["settings", "outline-part"]) $(part).hidden = !told;
  if (!told) {
    drawn.rest();
    $("paths").replaceChildren();
    const [title, why] = !item ? ["Where does it belong?", "Give an image: its path in the tree lights up."]
      : item.refusal ? ["This cannot be placed", item.refusal] : ["Looking ...", item.name];
    $("answer").replaceChildren(make("h2", { class: item?.refusal ? "refusal" : "idle" }, title), make("p", { class: "quiet" }, why));
    return;
  }
  $("under").value = item.under ?? "";
  light();
}

function light() {
  const { paths, nodes, levels } = current.answer;
  const share = (node) => nodes[tree.levels[node.level]][node.name];
  const best = along(tree, paths[0].path);
  const second = paths[1] ? along(tree, paths[1].path).filter((_, i, path) => path.every(share)) : []; // none if ruled out
  const wanted = $("sure").value / 100;
  const sure = best.find((node) => share(node) >= wanted); // leaf first: the deepest
  const reach = sure ? sure.level : tree.levels.length;
  $("sure-value").textContent = `${$("sure").value} %`;
  drawn.show({ src: current.src, best, second, reach, share });
  tell({ best, sure, share, levels });
  $("paths").replaceChildren(
    ribbon("The path", "lit", best, paths[0].share, share), ...(second.length ? [ribbon("Runner-up", "second", second, paths[1].share, share)] : []));
  outline($("outline"), tree, { share, best, second });
  read(null);
}

function tell({ best, sure, share, levels }) {
  const leaf = best[0];
  const title = make("h2", {}, sure ? said(sure.name) : "Not sure enough");
  const why = !sure
    ? `No level reaches what is asked for; the best guess is ${said(leaf.name)}.`
    : sure === leaf
      ? `${percent(share(leaf))} sure, at the ${said(tree.levels[0])} level.`
      : `${percent(share(sure))} sure, at the ${said(tree.levels[sure.level])} level; too unsure to go further, though its guess is ${said(leaf.name)}.`;
  const apart = best.filter((node) => levels[tree.levels[node.level]].answer !== node.name)
    .map((node) => `the ${said(tree.levels[node.level])} head alone says ${said(levels[tree.levels[node.level]].answer)}`);
  const told = [why, ...(apart.length ? [`Against the path, ${apart.join(" and ")}.`] : []),
    ...(current.truth ? [`The sample shows: ${current.truth}.`] : [])];
  $("answer").replaceChildren(title, make("p", { class: "quiet" }, told.join(" ")));
}

function ribbon(title, kind, path, whole, share) {
  const steps = [...path].reverse().map((node) =>
    make("li", {}, make("span", { class: "name" }, said(node.name)), " ", make("span", { class: "number" }, percent(share(node)))));
  return make("div", { class: `ribbon ${kind}` },
    make("p", { class: "small" }, make("b", {}, title), make("span", { class: "quiet" }, ` has ${percent(whole)} of all paths' agreement`)),
    make("ol", {}, ...steps));
}

function read(node) {
  const told = current?.answer;
  if (!node) $("read").textContent = told ? "Point at a part to read it; click it if the image is known to be of that kind." : "";
  else {
    const level = tree.levels[node.level];
    $("read").textContent = `${said(node.name)} (${said(level)})` + (told ? `: ${percent(current.answer.nodes[level][node.name])}` : "");
  }
}

$("file").addEventListener("change", () => { take($("file").files); $("file").value = ""; });
$("sure").addEventListener("input", light);
$("under").addEventListener("change", () => choose($("under").value));
$("clear").addEventListener("click", () => {
  for (const item of given.splice(0)) URL.revokeObjectURL(item.src);
  $("given").replaceChildren();
  tally();
  show(null);
  $("file").focus();
});
addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
const brings = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => { if (brings(event)) { event.preventDefault(); $("drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
addEventListener("drop", (event) => {
  $("drop").hidden = true;
  if (!brings(event)) return;
  event.preventDefault();
  take(event.dataTransfer.files);
});
document.body.dataset.ready = "yes";
