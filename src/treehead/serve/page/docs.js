// Show openapi.json: the operations with their parameters and responses, and the schemas.
import { make } from "./tree.js";

const api = await (await fetch("openapi.json")).json();
const schemas = api.components.schemas;
const last = (reference) => reference.split("/").pop();

document.getElementById("about").textContent = `${api.info.title}, version ${api.info.version}`;
document.getElementById("example").textContent =
  `curl -F images=@otter.jpg -F images=@castle.jpg '${new URL("api/predict", location.href)}?top=2&confidence=0.8'`;

/** The type of a schema as text; a named schema is a link. */
function type(schema) {
  if (schema.$ref) return [make("a", { href: `#${last(schema.$ref)}` }, last(schema.$ref))];
  if (schema.anyOf) return schema.anyOf.flatMap((one, i) => (i ? [" or ", ...type(one)] : type(one)));
  if (schema.type === "array") return ["list of ", ...type(schema.items)];
  if (schema.type === "object" && schema.additionalProperties) return ["object of ", ...type(schema.additionalProperties)];
  return [schema.contentMediaType || schema.format === "binary" ? "file" : schema.type ?? "anything"];
}

function table(rows) {
  return make("div", { class: "wide" }, make("table", {}, make("tbody", {},
    ...rows.map(([name, kind, meaning]) => make("tr", {},
      make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, ...kind), make("td", {}, meaning))))));
}

function range(schema) {
  const { minimum, maximum, default: value } = { ...schema.anyOf?.[0], ...schema };
  const parts = [minimum !== undefined && `minimum ${minimum}`, maximum !== undefined && `maximum ${maximum}`, value !== undefined && `default ${value}`];
  const text = parts.filter(Boolean).join(", ");
  return text && `(${text})`;
}

function operation(path, method, entry) {
  const rows = (entry.parameters ?? []).map((parameter) =>
    [parameter.name, type(parameter.schema), [parameter.description, range(parameter.schema)].filter(Boolean).join(" ")]);
  const body = entry.requestBody?.content["multipart/form-data"]?.schema;
  if (body)
    for (const [name, field] of Object.entries(schemas[last(body.$ref)].properties)) rows.unshift([name, type(field), field.description ?? ""]);
  const responses = Object.entries(entry.responses).map(([status, response]) => {
    const schema = response.content?.["application/json"]?.schema;
    return [status, schema ? type(schema) : ["an image"], status === "200" ? "" : response.description];
  });
  return make("section", {}, make("h2", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", {}, path)),
    make("p", {}, entry.description ?? entry.summary), ...(rows.length ? [make("h3", {}, "Parameters"), table(rows)] : []),
    make("h3", {}, "Responses"), table(responses));
}

document.getElementById("operations").append(...Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, entry]) => operation(path, method, entry))));
document.getElementById("schemas").append(...Object.entries(schemas)
  .filter(([name]) => !name.startsWith("Body_") && !name.includes("ValidationError"))
  .map(([name, schema]) => make("section", { id: name }, make("h3", {}, name), make("p", { class: "quiet" }, schema.description ?? ""),
    table(Object.entries(schema.properties).map(([field, kind]) => [field, type(kind), kind.description ?? ""])))));
document.body.dataset.ready = "yes";
