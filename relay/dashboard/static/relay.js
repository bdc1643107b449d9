// Without this script every page works; with it the live part of a page is refreshed while it is
// seen, and times can be shown in the browser's zone.
"use strict";
(() => {
  const EVERY = 10000; // milliseconds, at least: a slow answer makes the next one later
  const LONGEST = 60000;
  const TIMES_AS_LONG = 300; // as the answer took: tabs take little of a busy service
  const SOON = 2000; // while an answer is waited for
  const kept = (name) => sessionStorage.getItem(name) === "yes";
  const keep = (name, value) => sessionStorage.setItem(name, value ? "yes" : "no");

  const pause = document.getElementById("pause");
  const zone = document.getElementById("zone");
  const live = () => document.getElementById("live");

  const isReading = () => {
    const selected = document.getSelection();
    const typing = document.activeElement?.matches("#live input, #live select, #live textarea");
    return typing || (selected !== null && !selected.isCollapsed);
  };

  let asked = 0;
  let next = 0;

  const refresh = () => {
    if (live() && !document.hidden && !kept("paused") && !isReading() && window.htmx) {
      asked = performance.now();
      live().setAttribute("aria-busy", "true");
      window.htmx.trigger(live(), "relay:refresh");
    }
  };

  const showPause = () => {
    pause.setAttribute("aria-pressed", String(kept("paused")));
    pause.textContent = kept("paused") ? "Updates paused" : "Pause updates";
  };

  const showTimes = () => {
    const local = kept("local");
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      time.dataset.utc ??= time.title || time.textContent;
      const there = `${at.toLocaleString()} (local)`;
      if (time.classList.contains("exact")) time.textContent = local ? there : time.dataset.utc;
      else time.title = local ? there : time.dataset.utc;
    }
    if (zone) {
      zone.setAttribute("aria-pressed", String(local));
      zone.textContent = local ? "Times: local" : "Times: UTC";
    }
  };

  if (pause && live()) {
    pause.hidden = false;
    showPause();
    pause.addEventListener("click", () => {
      keep("paused", !kept("paused"));
      showPause();
    });
    const wait = (longer) => {
      clearTimeout(next);
      const soon = live()?.querySelector("[data-soon]") ? SOON : EVERY;
      next = setTimeout(tick, Math.min(Math.max(soon, longer), LONGEST));
    };
    const tick = () => {
      refresh();
      wait(0); // until the answer says how long
    };
    wait(0);
    document.addEventListener("visibilitychange", refresh);
    document.addEventListener("htmx:finally:request", () => {
      live()?.removeAttribute("aria-busy");
      wait((performance.now() - asked) * TIMES_AS_LONG);
      showTimes();
    });
  }
  if (zone) {
    zone.hidden = false;
    zone.addEventListener("click", () => {
      keep("local", !kept("local"));
      showTimes();
    });
  }
  // Where the browser lets no page write to the clipboard (plain http), the line is selected.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    if (navigator.clipboard) {
      navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } else document.getSelection().selectAllChildren(button.previousElementSibling);
  });
  showTimes();
})();
