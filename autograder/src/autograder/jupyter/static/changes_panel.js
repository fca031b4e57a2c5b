// What each command changed, as a part of the checklist. What a learner wrote only ever becomes text, never markup.
/** What each of the last commands changed: the newest in full, those before it as one line each that can be unfolded. */
function changesPanel(model) {
  const FEW = 3; // commands that are shown before "Show … earlier" is pressed
  const PAUSE = 1200; // milliseconds of stillness before the newest is read aloud

  const spoken = make("p", { class: "wh-spoken", role: "status", "aria-live": "polite" });
  const rows = make("ol", { class: "wh-steps", "aria-label": "The last commands, newest first" });
  const more = make("button", { type: "button", class: "wh-more" });
  const none = make("p", { class: "wh-none" }, "No command was typed in the course's shell yet.");
  const gist = make("span", { class: "wh-gist" });
  const title = make("span", { class: "wh-changestitle" }, "What did that command change?");
  const root = make(
    "details",
    { class: "wh-changes", open: remembered("changes") !== "folded" },
    make("summary", {}, title, " ", gist),
    none,
    rows,
    more,
  );
  const box = make("div", { class: "wh-changesbox" }, root, spoken);
  const latest = make("button", { type: "button", class: "wh-latest", title: "Show what it changed" }, "Last command");
  latest.addEventListener("click", () => {
    root.open = true;
    if (newest) open.set(newest, true);
    draw();
    const head = rows.querySelector(".wh-step");
    head?.scrollIntoView({ block: "nearest" });
    head?.focus();
  });
  root.addEventListener("toggle", () => {
    remembered("changes", root.open ? "open" : "folded");
    drawGist();
  });

  let all = false; // whether every command that is known is listed
  let newest = null; // the key of the newest command that was drawn
  let current = null; // the key of the one which Tab reaches
  const open = new Map(); // by key: what the learner unfolded or folded
  let timer = null;

  const label = (step) => step.command || step.heading;

  function badge() {
    return make("span", { class: "wh-outside" }, make("span", { "aria-hidden": "true" }, "! "), "outside the project");
  }

  function line(one) {
    const item = make(
      "li",
      { class: `wh-line wh-line-${{ "+": "more", "-": "less", "~": "other" }[one.sign] || "quiet"}` },
      make("span", { class: "wh-linesign", "aria-hidden": "true" }, one.sign),
      make("span", { class: "wh-lineword" }, one.word),
      " ",
      make("span", { class: "wh-linetext" }, make("code", {}, one.text), ...(one.note ? [" ", make("small", {}, `(${one.note})`)] : [])),
    );
    if (one.below.length) item.append(make("pre", { class: "wh-below" }, one.below.join("\n")));
    return item;
  }

  function body(step) {
    const parts = [];
    if (step.ending) parts.push(make("p", { class: "wh-ending" }, `${step.ending}.`));
    let place = "";
    for (const section of step.sections) {
      const heading = make("p", { class: "wh-place" });
      if (section.place === "outside") heading.append(badge(), " ");
      heading.append(section.heading);
      const group = make("div", { class: `wh-section wh-in-${section.place}` }, heading, make("ul", {}, ...section.lines.map(line)));
      if (section.advice) group.append(make("p", { class: "wh-advice" }, "→ ", ...inline(section.advice)));
      parts.push(group);
      place = section.place;
    }
    if (!place && !step.quiet) parts.push(make("p", {}, "Nothing changed."));
    if (step.more) parts.push(make("p", {}, `… and ${step.more} changes more.`));
    if (step.quiet) parts.push(make("p", { class: "wh-quiet" }, step.quiet));
    return parts;
  }

  function row(step, latest) {
    const unfolded = open.has(step.key) ? open.get(step.key) : latest;
    const head = make(
      "button",
      { type: "button", class: "wh-step", "aria-expanded": String(unfolded), tabindex: step.key === current ? 0 : -1, "data-key": step.key },
      make("span", { class: "wh-turn", "aria-hidden": "true" }, unfolded ? "▾" : "▸"),
      step.command ? make("code", { class: "wh-command" }, make("span", { "aria-hidden": "true" }, "$ "), step.command) : make("span", { class: "wh-command" }, step.heading),
    );
    if (!unfolded) {
      const told = make("span", { class: "wh-gist" });
      if (step.outside) told.append(badge(), " ");
      if (step.failed && step.command) told.append("failed; ");
      told.append(step.gist);
      head.append(told);
    }
    head.addEventListener("click", () => {
      current = step.key;
      open.set(step.key, !unfolded);
      draw();
      rows.querySelector(`[data-key="${CSS.escape(step.key)}"]`)?.focus();
    });
    head.addEventListener("focus", () => {
      current = step.key;
      for (const one of rows.querySelectorAll(".wh-step")) one.tabIndex = one === head ? 0 : -1;
    });
    const item = make("li", { class: "wh-stepitem" }, head);
    if (unfolded) item.append(make("div", { class: "wh-stepbody" }, ...body(step)));
    return item;
  }

  function drawGist() {
    const steps = model.get("steps");
    const last = steps[steps.length - 1];
    gist.replaceChildren();
    latest.hidden = !last;
    if (last) {
      const told = last.command ? make("code", {}, `$ ${last.command.split("\n")[0]}`) : "no command";
      latest.replaceChildren("Last command: ", told, "  ", ...(last.outside ? [badge(), " "] : []), last.gist);
    }
    if (!root.open && last) {
      if (last.outside) gist.append(badge(), " ");
      gist.append(last.gist);
    }
  }

  function draw() {
    const steps = [...model.get("steps")].reverse();
    const last = steps[0];
    const fresh = last && newest !== null && last.key !== newest;
    const first = newest === null;
    newest = last ? last.key : "";
    for (const key of [...open.keys()]) if (!steps.some((step) => step.key === key)) open.delete(key);
    const focused = rows.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    if (!focused && (fresh || !steps.some((step) => step.key === current))) current = newest;
    const shown = all ? steps : steps.slice(0, FEW);
    if (!shown.some((step) => step.key === current)) current = newest;
    rows.replaceChildren(...shown.map((step, at) => row(step, at === 0)));
    if (focused) (rows.querySelector(`[data-key="${CSS.escape(focused)}"]`) || rows.querySelector(".wh-step"))?.focus({ preventScroll: true });
    none.hidden = steps.length > 0;
    rows.hidden = steps.length === 0;
    more.hidden = steps.length <= FEW;
    more.textContent = all ? "Show fewer" : `Show ${steps.length - FEW} earlier`;
    drawGist();
    if (fresh && !first) speak(last);
  }

  /** Say the newest command's changes once it is quiet, and nothing where nothing changed: the terminal is read aloud, too. */
  function speak(step) {
    clearTimeout(timer);
    spoken.textContent = "";
    if (!step.sections.length) return;
    timer = setTimeout(() => {
      const where = step.outside ? "Outside the project! " : "";
      spoken.textContent = `${where}${label(step).split("\n")[0].slice(0, 80)}: ${step.gist}`;
    }, PAUSE);
  }

  more.addEventListener("click", () => {
    all = !all;
    draw();
  });
  rows.addEventListener("keydown", (event) => {
    const heads = [...rows.querySelectorAll(".wh-step")];
    const at = heads.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: heads.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    heads[Math.min(heads.length - 1, Math.max(0, to))].focus();
  });

  return { root: box, latest, draw, end: () => clearTimeout(timer) };
}

/** Read or write what the learner folded, where the browser keeps such things. */
function remembered(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`wheelhouse-${name}`);
    localStorage.setItem(`wheelhouse-${name}`, value);
  } catch {
    /* private browsing */
  }
  return null;
}
