// The form for a pyproject.toml (see pictures/pyproject_form.py).
const PAUSE = 250; // milliseconds without a key before the file is looked at

const LABELS = [
  ["name", "name", "", 1],
  ["version", "version", "", 1],
  ["description", "description", "", 1],
  ["requires_python", "requires-python", "", 1],
  ["license", "license", "an SPDX expression", 1],
  ["dependencies", "dependencies", "one a line", 3],
  ["scripts", "scripts", "command = package:function", 2],
  ["extras", "extras (published)", "extra = requirement, requirement", 2],
  ["groups", "dependency groups (yours)", "group = requirement, {other group}", 2],
];

function render({ model, el }) {
  const serial = Math.random().toString(36).slice(2);
  const inputs = {};
  const notes = {};
  let clock = null;
  let asking = false;
  let next = null; // what was wanted while the kernel had another question

  const form = make("form", { class: "wh-left", "aria-label": "What the project says of itself" });
  for (const [name, label, hint, rows] of LABELS) {
    const id = `${name}-${serial}`;
    const common = { id, maxlength: "1000", spellcheck: "false", autocomplete: "off", "aria-describedby": `${id}-note` };
    inputs[name] = rows === 1 ? make("input", { type: "text", ...common }) : make("textarea", { rows: String(rows), ...common });
    notes[name] = make("ul", { class: "wh-notes", id: `${id}-note` });
    form.append(make("div", { class: "wh-field" }, make("label", { for: id }, make("code", {}, label), make("span", { class: "wh-quiet" }, hint ? `  ${hint}` : "")), inputs[name], notes[name]));
  }
  inputs.backend = make("select", { id: `backend-${serial}` }, ...model.get("backends").map((one) => make("option", { value: one }, one)));
  const button = make("button", { type: "submit" }, "Build it");
  form.append(make("div", { class: "wh-field" }, make("label", { for: inputs.backend.id }, make("code", {}, "build-backend")), inputs.backend), button);

  const status = make("p", { class: "wh-status", role: "status" });
  const toml = make("pre", { tabindex: "0", role: "group", "aria-label": "pyproject.toml" });
  const built = make("div", { class: "wh-built", role: "region", "aria-label": "What was built" });
  const right = make("div", { class: "wh-right" }, make("h4", {}, make("code", {}, "pyproject.toml")), toml, status, built);
  const root = make("section", { class: "wh-picture wh-pyproject", "aria-label": "Form for a pyproject.toml" }, form, right);
  keepKeys(root);
  el.append(root);

  const fields = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]));

  function say(...nodes) {
    status.replaceChildren(...nodes);
  }

  function drawFile() {
    toml.textContent = model.get("toml");
    const problems = model.get("problems");
    for (const [name] of LABELS) {
      const mine = problems.filter((one) => one.field === name);
      const wrong = mine.some((one) => !one.says.startsWith("It is allowed"));
      notes[name].replaceChildren(...mine.map((one) => make("li", {}, make("span", { "aria-hidden": "true" }, one.says.startsWith("It is allowed") ? "≠ " : "✗ "), ...inline(one.says))));
      if (wrong) inputs[name].setAttribute("aria-invalid", "true");
      else inputs[name].removeAttribute("aria-invalid");
    }
    drawStale();
  }

  function count() {
    const wrong = model.get("problems").length;
    say(wrong ? `${wrong} ${wrong === 1 ? "remark" : "remarks"}: see the fields.` : make("span", { class: "wh-good" }, "✓ "), ...(wrong ? [] : [make("code", {}, "packaging"), " has nothing to say against it."]));
  }

  function part(title, text, open) {
    const box = make("details", open ? { open: "" } : {}, make("summary", {}, title));
    box.append(make("pre", { tabindex: "0", role: "group", "aria-label": title }, text));
    return box;
  }

  function drawStale() {
    const done = model.get("built");
    built.classList.toggle("wh-stale", Boolean(done.toml) && done.toml !== model.get("toml"));
    const mark = built.querySelector(".wh-old");
    if (mark) mark.textContent = done.toml === model.get("toml") ? "" : " (of what the file said before: build again)";
  }

  function drawBuilt() {
    const done = model.get("built");
    if (!done.backend) {
      built.replaceChildren(make("p", { class: "wh-quiet" }, "Nothing has been made of it yet."));
      return;
    }
    const head = make("h4", {}, done.stopped ? `✗ ${done.backend} stopped` : `Built by ${done.backend}`, make("span", { class: "wh-old wh-quiet" }));
    if (done.stopped) {
      built.replaceChildren(head, make("pre", { tabindex: "0", role: "group", "aria-label": "What the backend said" }, done.stopped));
    } else {
      built.replaceChildren(
        head,
        part("METADATA", done.metadata, true),
        part("entry_points.txt", done.entry_points || "(there is none)", false),
        ...done.files.map((one) => part(`${one.name}: ${one.names.length} files`, one.names.join("\n"), false)),
      );
    }
    drawStale();
  }

  // one question at a time: what was typed or pressed meanwhile is asked when the answer is there
  function look(building) {
    if (asking) {
      next = building || next === true;
      return;
    }
    asking = true;
    next = null;
    if (building) {
      button.setAttribute("aria-disabled", "true"); // not `disabled`, which would take the focus away
      say(`${inputs.backend.value} builds in the sandbox …`);
    }
    ask(model, { fields: fields(), build: building }, 90000).then((problem) => {
      asking = false;
      button.removeAttribute("aria-disabled");
      if (problem) say(...inline(problem));
      else count();
      if (next !== null) look(next);
    });
  }

  for (const input of Object.values(inputs)) {
    input.addEventListener("input", () => {
      clearTimeout(clock);
      clock = setTimeout(() => look(false), PAUSE);
    });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(clock);
    if (!button.hasAttribute("aria-disabled")) look(true);
  });
  model.on("change:toml", drawFile);
  model.on("change:problems", drawFile);
  model.on("change:built", drawBuilt);
  for (const [name, value] of Object.entries(model.get("fields"))) inputs[name].value = value;
  drawFile();
  drawBuilt();
  count();
  return () => {
    clearTimeout(clock);
    model.off("change:toml", drawFile);
    model.off("change:problems", drawFile);
    model.off("change:built", drawBuilt);
  };
}

export default { render };
