// One control for each field of a form. The kernel has the last word about values; here they are only read.
import { el, setText } from "./dom.js";

/** Return {node, name, read(), error(message)} for one field; `value` is the draft or the default. */
export function control(name, schema, required, value, id) {
  const title = schema.title || name;
  const help = schema.description ? `${id}-help` : null;
  const problem = el("span", { class: "err", id: `${id}-err`, "aria-live": "polite" });
  const made = maker(schema)({ schema, required, value, id, title, described: [help, `${id}-err`].filter(Boolean).join(" ") });
  const star = required ? el("span", { class: "star", "aria-hidden": "true" }, " *") : null;
  const head = made.group
    ? el("span", { class: "lab", id: `${id}-lab` }, title, star)
    : made.bare
      ? null
      : el("label", { class: "lab", for: id }, title, star);
  const node = el(
    "div",
    { class: `fld${made.wide ? " wide" : ""}` },
    head,
    made.node,
    help ? el("small", { id: help }, schema.description) : null,
    problem,
  );
  const inputs = () => node.querySelectorAll("input,select,textarea");
  return {
    node,
    name,
    read: made.read,
    error(message) {
      setText(problem, message || "");
      for (const input of inputs()) message ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
      return message ? inputs()[0] : null;
    },
  };
}

function maker(schema) {
  if (schema.enum) return schema.enum.length <= 4 && !schema.nullable ? radios : choice;
  if (schema.type === "array" && schema.items?.enum) return checks;
  if (schema.type === "array") return listed;
  if (schema.type === "boolean") return schema.nullable ? choice : tick;
  if (schema.type === "number" || schema.type === "integer") return slides(schema) ? slider : numeric;
  if (schema.type === "object" || schema.format === "textarea" || schema.maxLength > 120) return area;
  return line;
}

/** A slider cannot be left empty, so it needs a default, and few enough steps to hit. */
function slides({ minimum, maximum, multipleOf, type, default: usual, nullable }) {
  if (minimum == null || maximum == null || usual == null || nullable) return false;
  return type === "number" || (maximum - minimum) / (multipleOf || 1) <= 200;
}

const shared = ({ id, required, described }) => ({ id, "aria-describedby": described, "aria-required": required ? "true" : null });
const shown = (choice) => (choice === true ? "Yes" : choice === false ? "No" : String(choice));

function group(type, { id, required, described }, choices, chosen) {
  const boxes = choices.map((choice, i) => el("input", { type, name: id, value: i, checked: chosen(choice) }));
  const role = type === "radio" ? "radiogroup" : "group";
  const labels = choices.map((choice, i) => el("label", {}, boxes[i], shown(choice)));
  const attrs = { class: "opts", role, "aria-labelledby": `${id}-lab`, "aria-describedby": described };
  if (type === "radio" && required) attrs["aria-required"] = "true";
  return { boxes, node: el("span", attrs, ...labels) };
}

function radios(field) {
  const { boxes, node } = group("radio", field, field.schema.enum, (choice) => choice === field.value);
  return { group: true, node, read: () => field.schema.enum[boxes.findIndex((box) => box.checked)] ?? null };
}

function checks(field) {
  const all = field.schema.items.enum;
  const { boxes, node } = group("checkbox", field, all, (choice) => (field.value || []).includes(choice));
  return { group: true, node, read: () => all.filter((_, i) => boxes[i].checked) };
}

function choice(field) {
  const all = field.schema.enum || [true, false];
  const empty = field.required && field.value == null ? "Choose…" : "–";
  const first = field.required && field.value != null ? null : el("option", { value: "" }, empty);
  const options = all.map((one, i) => el("option", { value: i, selected: one === field.value }, shown(one)));
  const node = el("select", shared(field), first, ...options);
  return { node, read: () => (node.value === "" ? null : all[+node.value]) };
}

function tick(field) {
  const box = el("input", { type: "checkbox", checked: Boolean(field.value), ...shared(field) });
  return { bare: true, node: el("label", { class: "tick" }, box, field.title), read: () => box.checked };
}

function slider(field) {
  const { minimum, maximum, multipleOf, type } = field.schema;
  const step = multipleOf || (type === "integer" ? 1 : (maximum - minimum) / 100);
  const value = field.value ?? field.schema.default;
  const input = el("input", { type: "range", min: minimum, max: maximum, step, value, ...shared(field) });
  const output = el("output", { for: field.id }, input.value);
  input.addEventListener("input", () => setText(output, input.value));
  return { node: el("span", { class: "rng" }, input, output), read: () => +input.value };
}

function numeric(field) {
  const { minimum, maximum, multipleOf, type, default: usual } = field.schema;
  const step = multipleOf || (type === "integer" ? 1 : "any");
  const input = el("input", { type: "number", min: minimum, max: maximum, step, value: field.value, placeholder: usual, ...shared(field) });
  return { node: input, read: () => (input.value === "" ? (input.validity?.badInput ? "?" : null) : +input.value) };
}

const KINDS = { date: "date", "date-time": "datetime-local", time: "time", email: "email", uri: "url", password: "password" };

function line(field) {
  const input = el("input", { type: KINDS[field.schema.format] || "text", value: field.value, autocomplete: "off", ...shared(field) });
  return { node: input, secret: field.schema.format === "password", read: () => input.value || null };
}

function area(field) {
  const json = field.schema.type === "object";
  const text = json && field.value != null && typeof field.value !== "string" ? JSON.stringify(field.value, null, 1) : (field.value ?? "");
  const input = el("textarea", { rows: 2, class: json ? "mono" : null, placeholder: json ? '{"key": 1}' : null, ...shared(field) }, String(text));
  return { wide: true, node: input, read: () => input.value || null };
}

function listed(field) {
  const value = Array.isArray(field.value) ? field.value.join(", ") : (field.value ?? "");
  const input = el("input", { type: "text", value, placeholder: "one, two, three", autocomplete: "off", ...shared(field) });
  const parts = () => input.value.split(",").map((part) => part.trim()).filter(Boolean);
  return { node: input, read: parts };
}
