// The book's own script: plays recorded pictures, lets what scrolls sideways be reached by keyboard, unfolds all on paper.
(function () {
  "use strict";
  const NOTHING = "Nothing is recorded for this. In the course, a kernel answers: open this lesson there to play on.";
  const HERE = "Nothing is recorded for this after what you did before. Open this lesson in the course to play on, or reload the page to begin again.";

  // As recording.py writes a question: JSON with sorted keys.
  function key(value) {
    if (Array.isArray(value)) return `[${value.map(key).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${key(value[name])}`).join(",")}}`;
  }

  const plain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

  // What anywidget's model is to a picture's script; answers come from the record.
  function recordedModel(record) {
    const shown = { ...record.first, heard: 0, answered: 0, problem: "" };
    const listeners = new Map();
    let at = 0;
    const each = (events, act) => events.split(" ").forEach(act);

    function change(values) {
      Object.assign(shown, values);
      for (const name of Object.keys(values)) for (const react of [...(listeners.get(`change:${name}`) || [])]) react();
    }

    function answer(question, number) {
      change({ heard: number });
      const found = record.states ? (record.answers[at] || {})[key(question)] : record.answers[key(question)];
      if (!found) {
        const known = record.states && Object.keys(record.answers).length && at !== 0;
        change({ problem: known ? HERE : NOTHING, answered: number });
        return;
      }
      const values = {};
      if (record.states) {
        at = found.state;
        Object.assign(values, record.first, record.states[at]);
      } else {
        for (const [name, value] of Object.entries(found.change)) values[name] = plain(value) && plain(shown[name]) ? { ...shown[name], ...value } : value;
      }
      change({ ...values, problem: found.problem });
      change({ answered: number });
    }

    return {
      get: (name) => shown[name],
      set: (name, value) => change({ [name]: value }),
      save_changes() {},
      on: (events, react) => each(events, (one) => listeners.set(one, [...(listeners.get(one) || []), react])),
      off: (events, react) => each(events, (one) => listeners.set(one, (listeners.get(one) || []).filter((other) => other !== react))),
      send: (message) => setTimeout(() => answer(message.ask, message.number)),
    };
  }

  for (const place of document.querySelectorAll(".wh-recorded")) {
    const picture = (window.wheelhousePictures || {})[place.dataset.picture];
    if (!picture) continue;
    const live = document.createElement("div");
    live.className = "wh-live";
    try {
      picture.render({ model: recordedModel(JSON.parse(place.querySelector("script").textContent)), el: live });
    } catch (error) {
      console.error(error);
      continue; // the still stays
    }
    place.querySelector(".wh-still").after(live);
    place.classList.add("wh-plays");
  }

  // What scrolls sideways must be reached by keyboard.
  function reach() {
    for (const one of document.querySelectorAll("article pre, .table-wrapper, .wh-html, .wh-still")) {
      const scrolls = one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1;
      if (one.closest(".wh-live")) continue; // pictures see to it themselves
      if (scrolls && !one.hasAttribute("tabindex")) {
        one.setAttribute("tabindex", "0");
        one.dataset.reached = "";
      } else if (!scrolls && "reached" in one.dataset) {
        one.removeAttribute("tabindex");
        delete one.dataset.reached;
      }
    }
  }
  reach();
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);

  // A page opened from a disk may read no other: what is found there comes without the lines around it.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  const unfolded = [];
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("article details:not([open])")) {
      one.open = true;
      unfolded.push(one);
    }
  });
  window.addEventListener("afterprint", () => unfolded.splice(0).forEach((one) => (one.open = false)));
})();
