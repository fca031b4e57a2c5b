// What happens at an import (see pictures/import_tracer.py).
const MARKS = { yes: ["✓", "yes"], no: ["✗", "no"], bad: ["⚠", "error"] };
const PACE = 220; // milliseconds between two steps

function render({ model, el }) {
  const starts = model.get("starts");
  const calm = window.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  const serial = Math.random().toString(36).slice(2);
  let lit = 0;
  let clock = null;
  let drawn = false;

  const statement = make("input", { type: "text", id: `statement-${serial}`, maxlength: "200", spellcheck: "false", autocomplete: "off" });
  const path = make("input", { type: "text", id: `path-${serial}`, maxlength: "200", spellcheck: "false", autocomplete: "off", placeholder: "empty" });
  const choices = Object.entries(starts).map(([value, words]) => {
    const radio = make("input", { type: "radio", name: `start-${serial}`, value });
    return { radio, label: make("label", {}, radio, " ", ...inline(words)) };
  });
  const run = make("button", { type: "submit" }, "Trace it");
  const form = make(
    "form",
    { class: "wh-form", "aria-label": "What to trace" },
    make("div", { class: "wh-field" }, make("label", { for: statement.id }, "Import statement"), statement),
    make("fieldset", {}, make("legend", {}, "Python is started"), ...choices.map((one) => one.label)),
    make("div", { class: "wh-field" }, make("label", { for: path.id }, make("code", {}, "PYTHONPATH")), path),
    run,
  );
  const command = make("code", { class: "wh-command" });
  const status = make("p", { class: "wh-outcome", role: "status" });
  const entries = make("ol", { class: "wh-entries", start: "0" });
  const steps = make("ol", { class: "wh-steps", tabindex: "0", "aria-label": "Steps, in the order in which they happened" });
  const back = make("button", { type: "button" }, "Back");
  const next = make("button", { type: "button" }, "Next step");
  const all = make("button", { type: "button" }, "All steps");
  const again = make("button", { type: "button" }, "From the start");
  const count = make("span", { class: "wh-quiet" });
  const printed = make("div", { class: "wh-printed" });
  el.append(
    make(
      "section",
      { class: "wh-picture wh-tracer", "aria-label": "Import tracer" },
      form,
      make("p", { class: "wh-shown" }, "$ ", command),
      status,
      make(
        "div",
        { class: "wh-sides" },
        make("div", { class: "wh-left" }, make("h4", {}, make("code", {}, "sys.path")), entries),
        make("div", { class: "wh-right" }, make("h4", {}, "What happened"), make("div", { class: "wh-controls" }, again, back, next, all, count), steps, printed),
      ),
    ),
  );
  keepKeys(el);

  function fill() {
    const shown = model.get("trace");
    statement.value = shown.statement;
    path.value = shown.pythonpath;
    for (const { radio } of choices) radio.checked = radio.value === shown.start;
  }

  function draw() {
    drawn = true;
    const shown = model.get("trace");
    command.textContent = `${shown.command}      # ${shown.statement}`;
    entries.replaceChildren(
      ...shown.entries.map((entry) => {
        const row = make("li", { class: entry.found ? "wh-found" : "" }, make("code", {}, entry.entry), make("span", { class: "wh-quiet" }, ` ${entry.about}`));
        if (entry.found) row.append(make("strong", { class: "wh-here" }, " ← ", make("code", {}, entry.found), " is here"));
        return row;
      }),
    );
    steps.replaceChildren(
      ...shown.steps.map((step) => {
        const [sign, words] = MARKS[step.mark] || ["·", ""];
        const row = make("li", { class: `wh-step wh-${step.mark || "plain"} wh-kind-${step.kind}` });
        row.style.marginLeft = `${1.6 * step.depth}em`;
        row.append(make("span", { class: "wh-sign", ...(words ? { role: "img", "aria-label": words } : { "aria-hidden": "true" }) }, sign), " ", ...inline(step.says));
        return row;
      }),
    );
    printed.replaceChildren(...(shown.printed ? [make("p", { class: "wh-quiet" }, "Printed on the way:"), make("pre", {}, shown.printed)] : []));
    play();
  }

  function light(number) {
    const rows = [...steps.children];
    lit = Math.min(rows.length, Math.max(0, number));
    rows.forEach((row, index) => {
      row.classList.toggle("wh-lit", index < lit);
      row.classList.toggle("wh-now", index === lit - 1);
      if (index === lit - 1) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    const reached = rows.slice(0, lit).filter((row) => row.matches(".wh-kind-entry.wh-yes")).length;
    entries.querySelectorAll(".wh-found").forEach((row) => row.classList.toggle("wh-won", reached > 0));
    const current = rows[lit - 1];
    if (current) steps.scrollTop = Math.max(0, current.offsetTop + 2 * current.offsetHeight - steps.clientHeight);
    count.textContent = ` step ${lit} of ${rows.length}`;
    back.disabled = lit <= 1;
    next.disabled = all.disabled = lit >= rows.length;
    if (lit >= rows.length) {
      stop();
      status.replaceChildren(...inline(model.get("trace").outcome));
    }
  }

  function stop() {
    clearInterval(clock);
    clock = null;
  }

  function play() {
    stop();
    status.replaceChildren();
    if (calm) return light(steps.children.length);
    light(1);
    if (steps.children.length > 1) clock = setInterval(() => (el.isConnected ? light(lit + 1) : stop()), PACE);
  }

  back.addEventListener("click", () => (stop(), light(lit - 1)));
  next.addEventListener("click", () => (stop(), light(lit + 1)));
  all.addEventListener("click", () => light(steps.children.length));
  again.addEventListener("click", play);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (run.disabled) return;
    stop();
    run.disabled = true;
    drawn = false;
    status.replaceChildren("A Python is started in the sandbox …");
    const start = choices.find(({ radio }) => radio.checked)?.radio.value || "script";
    ask(model, { statement: statement.value, start, pythonpath: path.value }).then((problem) => {
      run.disabled = false;
      if (problem) status.replaceChildren(...inline(problem));
      else if (!drawn) play(); // nothing happened otherwise than before
    });
  });
  model.on("change:trace", draw);
  fill();
  draw();
  return () => {
    stop();
    model.off("change:trace", draw);
  };
}

export default { render };
