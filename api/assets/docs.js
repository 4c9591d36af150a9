"use strict";
// Draws /openapi.json. No library and nothing from elsewhere: this origin may run backtests.

const reading = document.documentElement.dataset.mode === "read";

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

function resolved(schema, document_) {
  let found = schema || {};
  for (let step = 0; found.$ref && step < 10; step += 1) {
    found = document_.components.schemas[found.$ref.split("/").pop()] || {};
  }
  return found;
}

function kind(schema, document_) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const parts = schema.anyOf || schema.oneOf;
  if (parts) return parts.map((part) => kind(part, document_)).join(" | ");
  if (schema.type === "array") return `list of ${kind(schema.items, document_) || "any"}`;
  const range = [
    schema.minimum !== undefined ? `≥ ${schema.minimum}` : "",
    schema.exclusiveMinimum !== undefined ? `> ${schema.exclusiveMinimum}` : "",
    schema.maximum !== undefined ? `≤ ${schema.maximum}` : "",
  ].filter(Boolean).join(", ");
  return [schema.format || schema.type || "any", range].filter(Boolean).join(" ");
}

function models(schema) {
  if (schema.$ref) return [schema];
  if (schema.items) return models(schema.items);
  return (schema.anyOf || schema.oneOf || []).flatMap(models);
}

function fields(schema, document_) {
  const found = resolved(schema, document_);
  const variants = found.oneOf || found.anyOf;
  if (variants) {
    return make("div", {}, ...variants.map((part) => make("details", { open: reading },
      make("summary", {}, kind(part, document_)), fields(part, document_))));
  }
  if (!found.properties) return make("p", { class: "text" }, kind(schema, document_));
  const required = new Set(found.required || []);
  return make("table", {}, ...Object.entries(found.properties).map(([name, part]) => make("tr", {},
    make("td", { class: required.has(name) ? "required" : "" }, name),
    make("td", {}, make("code", {}, kind(part, document_)), " ",
      make("span", { class: "text" }, ...prose(part.description || resolved(part, document_).description || "")),
      ...models(part).map((model) => make("details", {},
        make("summary", {}, kind(model, document_)), fields(model, document_)))))));
}

function example(schema, document_) {
  const found = resolved(schema, document_);
  if (found.examples && found.examples.length) return found.examples[0];
  const variants = found.oneOf || found.anyOf;
  return variants ? example(variants[0], document_) : {};
}

function parameters(operation, document_, inputs) {
  if (!operation.parameters || !operation.parameters.length) return null;
  const rows = operation.parameters.map((parameter) => {
    const sample = (parameter.schema.examples || [])[0];
    const input = make("input", {
      type: "text", "aria-label": parameter.name,
      value: parameter.required && sample !== undefined ? sample : "",
      placeholder: parameter.schema.default !== undefined ? String(parameter.schema.default) : "",
    });
    inputs.push({ parameter, input });
    return make("tr", {},
      make("td", { class: parameter.required ? "required" : "" }, parameter.name),
      make("td", {}, make("code", {}, kind(parameter.schema, document_)), " ",
        make("span", { class: "text" }, ...prose(parameter.description || ""))),
      reading ? null : make("td", {}, input));
  });
  return make("div", {}, make("h3", {}, "Parameters"), make("table", {}, ...rows));
}

function body(operation, document_) {
  const content = operation.requestBody ? operation.requestBody.content : null;
  if (!content) return [null, null];
  const [type, media] = Object.entries(content)[0];
  const shown = make("div", {}, make("h3", {}, `Body (${type})`), fields(media.schema, document_));
  if (reading) return [shown, null];
  if (type === "application/json") {
    const text = make("textarea", { spellcheck: "false", "aria-label": "Body" });
    text.value = JSON.stringify(example(media.schema, document_), null, 2);
    shown.append(text);
    return [shown, () => ({ body: text.value, headers: { "content-type": type } })];
  }
  const form = make("form", {});
  const properties = resolved(media.schema, document_).properties || {};
  for (const [name, part] of Object.entries(properties)) {
    const isFile = part.format === "binary" || part.contentMediaType !== undefined;
    form.append(make("label", {}, `${name} `, make("input", { name, type: isFile ? "file" : "text" })), make("br"));
  }
  shown.append(form);
  return [shown, () => {
    const data = new FormData(form);
    for (const [name, value] of [...data.entries()]) if (value === "") data.delete(name);
    return { body: data, headers: {} };
  }];
}

async function send(method, path, inputs, read, output) {
  let target = path;
  const query = new URLSearchParams();
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value !== "") query.set(parameter.name, input.value);
  }
  if ([...query].length) target += `?${query}`;
  output.textContent = `${method} ${target} …`;
  try {
    const began = performance.now();
    const answer = await fetch(target, { method, ...(read ? read() : {}) });
    const type = answer.headers.get("content-type") || "";
    const shown = type.includes("json")
      ? JSON.stringify(await answer.json(), null, 2)
      : `${(await answer.blob()).size} bytes of ${type}`;
    const elapsed = Math.round(performance.now() - began);
    output.textContent = `${method} ${target}\n${answer.status} ${answer.statusText} (${elapsed} ms)\n\n${shown.slice(0, 200000)}`;
  } catch (error) {
    output.textContent = `${method} ${target}\n${error}`;
  }
}

function drawn(path, method, operation, document_) {
  const inputs = [];
  const [bodyPart, read] = body(operation, document_);
  const output = make("pre", { hidden: "" });
  const answers = Object.entries(operation.responses).map(([status, answer]) => {
    const media = Object.values(answer.content || {})[0];
    return make("details", {}, make("summary", {}, `${status} ${answer.description}`),
      media ? fields(media.schema, document_) : null);
  });
  const go = reading ? null : make("button", {
    type: "button",
    onclick: () => { output.hidden = false; send(method.toUpperCase(), path, inputs, read, output); },
  }, "Send");
  return make("details", { class: "operation", open: reading, id: operation.operationId },
    make("summary", {}, make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("span", { class: "path" }, path), make("span", { class: "text" }, ...prose(operation.summary || ""))),
    make("div", {}, ...(operation.description || "").split("\n\n").slice(1).map((text) => make("p", {}, ...prose(text))),
      parameters(operation, document_, inputs),
      bodyPart, go, output, make("h3", {}, "Answers"), ...answers));
}

async function start() {
  const document_ = await (await fetch("/openapi.json")).json();
  document.getElementById("version").textContent = document_.info.version;
  document.getElementById("about").append(
    ...document_.info.description.split("\n\n").map((text) => make("p", {}, ...prose(text))));
  const groups = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(drawn(path, method, operation, document_));
    }
  }
  document.getElementById("operations").replaceChildren(
    ...[...groups].map(([tag, items]) => make("section", {}, make("h2", {}, tag), ...items)));
  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const item of document.querySelectorAll("details.operation")) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
    }
  });
}

start();
