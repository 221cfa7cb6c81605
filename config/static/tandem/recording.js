// The player of a call's recording: a click on a time of the conversation, or into the waveform, plays from there.
(() => {
  "use strict";
  const player = document.getElementById("player");
  if (!player) return;
  const audio = player.querySelector("audio");
  const wave = player.querySelector(".t-wave");
  const head = player.querySelector(".t-playhead");
  const offset = Number(player.dataset.offsetMs) / 1000;
  const told = Number(player.dataset.durationMs) / 1000;
  const times = [...document.querySelectorAll("button[data-at-ms]")].map((button) => ({
    button,
    turn: button.closest("li"),
    at: Number(button.dataset.atMs) / 1000 + offset,
  }));
  let current = null;

  // Before anything was loaded, the browser does not know how long the sound is; the page does.
  const length = () => (Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : told);

  const hear = (at) => {
    const go = () => {
      audio.currentTime = Math.max(0, at);
      audio.play().catch(() => {}); // the player itself says why it cannot
    };
    if (audio.readyState > 0) go();
    else {
      audio.addEventListener("loadedmetadata", go, { once: true });
      audio.load();
    }
  };

  const show = () => {
    const now = audio.currentTime;
    if (head && length()) {
      head.hidden = false;
      head.style.left = `${Math.min(100, (now / length()) * 100)}%`;
    }
    let last = null;
    for (const one of times) if (one.at <= now + 0.05) last = one;
    if (last === current) return;
    current?.turn?.removeAttribute("aria-current");
    last?.turn?.setAttribute("aria-current", "true");
    current = last;
  };

  for (const one of times) one.button.addEventListener("click", () => hear(one.at));
  wave?.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    if (length()) hear(((event.clientX - box.left) / box.width) * length());
  });
  audio.addEventListener("timeupdate", show);
  audio.addEventListener("seeking", show);
})();
