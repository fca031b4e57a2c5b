// The live checklist (see checklist.py). What a learner or a check wrote only ever becomes text, never markup.
const PING = 2000; // milliseconds between two questions whether the kernel still answers
const SILENCE = 6500; // after so many without an answer the list says that it isn't live

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** One line of Markdown (code, strong, emphasis) as nodes. */
function inline(text) {
  const pattern = /`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*/g;
  const nodes = [];
  let at = 0;
  for (const match of (text || "").matchAll(pattern)) {
    nodes.push(text.slice(at, match.index));
    const tag = match[1] ? "code" : match[2] ? "strong" : "em";
    nodes.push(make(tag, {}, match[1] || match[2] || match[3]));
    at = match.index + match[0].length;
  }
  return [...nodes, (text || "").slice(at)];
}

function render({ model, el }) {
  const signs = model.get("signs");
  const words = model.get("words");
  const number = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  const summary = make("span", { class: "wh-summary", role: "status", "aria-live": "polite" });
  const bar = make("progress", { "aria-label": "Points earned" });
  const notice = make("p", { class: "wh-notice" }, ...inline(model.get("notice")));
  notice.hidden = !model.get("notice");
  const list = make("ol", { class: "wh-tasks" });
  const checkNow = make("button", { type: "button" }, "Check now");
  const terminal = model.get("terminal");
  const openShell = make(
    "button",
    {
      type: "button",
      class: "wh-main",
      "data-commandlinker-command": "terminal:open",
      "data-commandlinker-args": JSON.stringify({ name: terminal }),
    },
    "Open the shell",
  );
  openShell.hidden = !terminal;
  const startOver = make("button", { type: "button" }, "Start over");
  const question = make("span", { class: "wh-question", role: "group", "aria-label": "Start over?" });
  const yes = make("button", { type: "button", class: "wh-danger" }, "Yes, start over");
  const no = make("button", { type: "button" }, "No, keep my work");
  question.append("Put every file back to the start? ", yes, " ", no);
  question.hidden = true;
  const message = make("p", { class: "wh-message", role: "status", "aria-live": "polite" });
  const stale = make("p", { class: "wh-stale", role: "status", "aria-live": "polite" });

  const foot = make("p", { class: "wh-foot" }, `Sandbox: ${model.get("tier")}. The list follows your work by itself.`);
  const footStale = make("p", { class: "wh-foot wh-stale", "aria-hidden": "true" }, "Not live: run this cell again.");
  footStale.hidden = true; // the same sentence at the other end of a long list; it is read aloud only once
  const root = make(
    "section",
    { class: "wh-checklist", "aria-label": `Checklist: ${model.get("title")}` },
    make(
      "div",
      { class: "wh-head" },
      make("strong", { class: "wh-title" }, model.get("title")),
      summary,
      bar,
    ),
    stale,
    notice,
    list,
    make("div", { class: "wh-buttons" }, openShell, checkNow, startOver, question),
    message,
    foot,
    footStale,
  );
  el.append(root);

  const hintBoxes = new Map(); // by task; kept, since only a change inside a status is read aloud
  const shown = new Set(); // checks that were shown as done: only a new tick moves
  let drawn = false;
  const chosen = new Map(); // which checks the learner unfolded or folded, against our own choice

  function reasons(check, open) {
    const key = check.check;
    const details = make(
      "details",
      { open: chosen.has(key) ? chosen.get(key) : open },
      make("summary", {}, check.state === "error" ? "What broke" : "What was found"),
    );
    details.addEventListener("toggle", () => {
      if (details.open !== (chosen.has(key) ? chosen.get(key) : open)) chosen.set(key, details.open);
    });
    const rows = make("dl", {});
    for (const [name, label] of [["expected", "Expected"], ["found", "Found"], ["next_step", "Next step"]]) {
      if (check[name]) rows.append(make("dt", {}, label), make("dd", {}, ...inline(check[name])));
    }
    details.append(rows);
    return details;
  }

  function drawTask(task, first) {
    const checks = make("ul", {});
    let firstFailure = first;
    for (const check of task.checks) {
      const fresh = check.state === "passed" && drawn && !shown.has(check.check) ? " wh-new" : "";
      if (check.state === "passed") shown.add(check.check);
      else shown.delete(check.check);
      const item = make(
        "li",
        { class: `wh-check wh-${check.state}${fresh}`, "data-check": check.check },
        make("span", { class: "wh-sign", "aria-hidden": "true" }, signs[check.state]),
        make("span", { class: "wh-says" }, ...inline(check.says)),
        make("span", { class: "wh-word" }, words[check.state]),
      );
      if (check.state === "failed" || check.state === "error") {
        item.append(reasons(check, firstFailure));
        firstFailure = false;
      }
      checks.append(item);
    }
    const head = make(
      "div",
      { class: "wh-taskhead" },
      make("span", { class: "wh-sign", "aria-hidden": "true" }, signs[task.state]),
      make("span", { class: "wh-tasktitle" }, `Task ${task.task}: ${task.title}`),
      make("span", { class: "wh-word" }, `${words[task.state]}, ${task.score} of ${number(task.points, "point")}`),
    );
    const item = make("li", { class: `wh-task wh-${task.state}`, "data-task": task.task, "data-state": task.state }, head, checks);
    if (task.state !== "passed") {
      const button = make("button", { type: "button", class: "wh-hint", "data-focus": `hint-${task.task}` }, "Hint");
      button.setAttribute("aria-label", `Hint for task ${task.task}`);
      button.addEventListener("click", () => model.send({ type: "hint", task: task.task }));
      head.append(button);
    }
    if (!hintBoxes.has(task.task)) hintBoxes.set(task.task, make("p", { class: "wh-hinttext", role: "status", "aria-live": "polite" }));
    const hint = hintBoxes.get(task.task);
    hint.hidden = task.state === "passed";
    item.append(hint);
    return item;
  }

  function draw() {
    const tasks = model.get("tasks");
    const done = tasks.filter((task) => task.state === "passed").length;
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    let first = true;
    list.replaceChildren(
      ...tasks.map((task) => {
        const item = drawTask(task, first);
        if (task.state === "failed" || task.state === "error") first = false;
        return item;
      }),
    );
    if (focused) list.querySelector(`[data-focus="${focused}"]`)?.focus();
    bar.max = model.get("points") || 1;
    bar.value = model.get("score");
    const all = tasks.length > 0 && done === tasks.length;
    const text = all
      ? `All ${tasks.length} tasks done: ${model.get("points")} of ${model.get("points")} points`
      : `${done} of ${number(tasks.length, "task")} done, ${model.get("score")} of ${model.get("points")} points`;
    if (summary.textContent !== text) summary.textContent = text;
    root.classList.toggle("wh-all", all);
    drawn = true;
  }

  function drawHints() {
    for (const [task, box] of hintBoxes) box.replaceChildren(...inline(model.get("hints")[task] || ""));
  }

  function drawMessage() {
    message.replaceChildren(...inline(model.get("busy") || model.get("message")));
    for (const button of [checkNow, yes, startOver]) button.disabled = Boolean(model.get("busy"));
  }

  function ask(open) {
    question.hidden = !open;
    startOver.hidden = open;
    (open ? no : startOver).focus();
  }
  startOver.addEventListener("click", () => ask(true));
  no.addEventListener("click", () => ask(false));
  yes.addEventListener("click", () => {
    ask(false);
    model.send({ type: "reset" });
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "Escape") ask(false);
  });
  checkNow.addEventListener("click", () => model.send({ type: "check" }));

  const onMessage = (content) => {
    if (content.type !== "pong") return;
    heard = Date.now();
    sayStale(false);
  };
  let heard = Date.now();
  function sayStale(silent) {
    if (silent === Boolean(stale.textContent)) return;
    stale.textContent = silent ? "Not live: run this cell again." : "";
    foot.hidden = silent;
    footStale.hidden = !silent;
    root.classList.toggle("wh-off", silent);
  }
  let wasHidden = false;
  const timer = setInterval(() => {
    if (document.hidden) {
      wasHidden = true;
      return;
    }
    if (wasHidden) heard = Date.now(); // a page in the background does not ask, so silence there means nothing
    wasHidden = false;
    try {
      model.send({ type: "ping" });
    } catch {
      heard = Math.min(heard, Date.now() - SILENCE - 1);
    }
    if (Date.now() - heard > SILENCE) sayStale(true);
  }, PING);

  const seen = new IntersectionObserver((entries) => {
    model.set("visible", entries[entries.length - 1].isIntersecting);
    try {
      model.save_changes();
    } catch {
      /* the kernel is gone: the silence will be noticed */
    }
  });
  seen.observe(root);

  const redraw = ["change:tasks", "change:score"];
  for (const name of redraw) model.on(name, draw);
  for (const name of ["change:busy", "change:message"]) model.on(name, drawMessage);
  model.on("change:hints", drawHints);
  model.on("msg:custom", onMessage);
  draw();
  drawHints();
  drawMessage();

  return () => {
    clearInterval(timer);
    seen.disconnect();
    for (const name of redraw) model.off(name, draw);
    for (const name of ["change:busy", "change:message"]) model.off(name, drawMessage);
    model.off("change:hints", drawHints);
    model.off("msg:custom", onMessage);
  };
}

export default { render };
