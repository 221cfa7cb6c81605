// The page about the API: the admin's theme, finding a field, copying an example. Without it everything can be read, too.
(() => {
  "use strict";
  try {
    const theme = JSON.parse(localStorage.getItem("_x_adminTheme"));
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // The browser's own wish then.
  }

  const open = (element) => {
    for (let one = element?.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
  };

  const find = (sections, none, wanted) => {
    const letters = wanted.trim().toLowerCase();
    for (const { section, heading, articles } of sections) {
      let some = false;
      for (const { article, link, lines, text } of articles) {
        const hits = lines.filter((line) => letters && line.name.includes(letters));
        const shown = !letters || hits.length > 0 || text.includes(letters);
        some ||= shown;
        article.hidden = link.hidden = !shown;
        if (letters) for (const details of article.querySelectorAll("details")) details.open = false;
        for (const line of lines) line.item.classList.toggle("hit", hits.includes(line));
        for (const { item } of hits) open(item.parentElement);
      }
      section.hidden = heading.hidden = !some;
    }
    document.querySelector(".hit")?.scrollIntoView({ block: "center" });
    none.hidden = sections.some(({ section }) => !section.hidden);
  };

  const read = (section) => ({
    section,
    heading: document.querySelector(`nav h2 a[href="#${CSS.escape(section.id)}"]`).parentElement,
    articles: [...section.querySelectorAll("article")].map((article) => ({
      article,
      link: document.querySelector(`nav li a[href="#${CSS.escape(article.id)}"]`).parentElement,
      text: article.querySelector("h3").textContent.toLowerCase(),
      lines: [...article.querySelectorAll(".field > code")].map((code) => ({
        item: code.closest("li"),
        name: code.textContent.toLowerCase(),
      })),
    })),
  });

  document.addEventListener("DOMContentLoaded", () => {
    const label = document.querySelector(".filter");
    const none = document.querySelector(".none");
    const sections = [...document.querySelectorAll("section")].map(read);
    label.hidden = false;
    label.querySelector("input").addEventListener("input", (event) => find(sections, none, event.target.value));
    for (const button of document.querySelectorAll(".copyable button")) {
      button.hidden = !navigator.clipboard;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 2000);
      });
    }
    for (const link of document.querySelectorAll('main a[href^="#object-"]')) {
      link.addEventListener("click", () => {
        const there = document.getElementById(link.hash.slice(1))?.querySelector("details");
        if (there) there.open = true;
      });
    }
  });
})();
