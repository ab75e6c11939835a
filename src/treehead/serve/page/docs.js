// openapi.json, drawn: what can be asked, with what, and what is answered.
import { make } from "./tree.js";

const described = await (await fetch("openapi.json")).json();
const schemas = described.components.schemas;
const last = (reference) => reference.split("/").pop();

document.getElementById("about").textContent = `${described.info.title}, version ${described.info.version}`;
document.getElementById("example").textContent =
  `curl -F images=@otter.jpg -F images=@castle.jpg '${new URL("api/predict", location.href)}?top=2&confidence=0.8'`;

/** A schema's type in words; a named one is a link. */
function type(schema) {
  if (schema.$ref) return [make("a", { href: `#${last(schema.$ref)}` }, last(schema.$ref))];
  if (schema.anyOf) return schema.anyOf.flatMap((one, i) => (i ? [" or ", ...type(one)] : type(one)));
  if (schema.type === "array") return ["list of ", ...type(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["name → ", ...type(schema.additionalProperties)];
  return [schema.contentMediaType || schema.format === "binary" ? "file" : schema.type ?? "anything"];
}

function table(rows) {
  return make("div", { class: "wide" }, make("table", {}, make("tbody", {},
    ...rows.map(([name, kind, meaning]) => make("tr", {},
      make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, ...kind), make("td", {}, meaning))))));
}

function range({ minimum, maximum, default: value }) {
  const bounds = [minimum !== undefined && `from ${minimum}`, maximum !== undefined && `to ${maximum}`].filter(Boolean).join(" ");
  return [bounds, value !== undefined && `${value} if not given`].filter(Boolean).join("; ");
}

function operation(path, method, told) {
  const rows = (told.parameters ?? []).map((parameter) =>
    [parameter.name, type(parameter.schema), [parameter.description, range(parameter.schema)].filter(Boolean).join(" ")]);
  const body = told.requestBody?.content["multipart/form-data"]?.schema;
  if (body)
    for (const [name, field] of Object.entries(schemas[last(body.$ref)].properties)) rows.unshift([name, type(field), field.description ?? ""]);
  const answers = Object.entries(told.responses).map(([status, response]) => {
    const schema = response.content?.["application/json"]?.schema;
    return [status, schema ? type(schema) : ["an image"], status === "200" ? "" : response.description];
  });
  return make("section", {}, make("h2", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", {}, path)),
    make("p", {}, told.description ?? told.summary), ...(rows.length ? [make("h3", {}, "Takes"), table(rows)] : []),
    make("h3", {}, "Answers"), table(answers));
}

document.getElementById("operations").append(...Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, told]) => operation(path, method, told))));
document.getElementById("schemas").append(...Object.entries(schemas)
  .filter(([name]) => !name.startsWith("Body_") && !name.includes("ValidationError"))
  .map(([name, schema]) => make("section", { id: name }, make("h3", {}, name), make("p", { class: "quiet" }, schema.description ?? ""),
    table(Object.entries(schema.properties).map(([field, kind]) => [field, type(kind), ""])))));
document.body.dataset.ready = "yes";
