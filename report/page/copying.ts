/// <reference lib="dom" />

/** Adds buttons that copy code, or select it if the browser denies the clipboard to files. */
export function copying(): void {
  for (const code of document.querySelectorAll<HTMLElement>('.code')) {
    const text = code.querySelector('pre')!;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', `Copy: ${code.dataset.name}`);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection()?.selectAllChildren(text);
        button.textContent = 'Selected';
      }
      document.getElementById('status')!.textContent = `${button.textContent}: ${code.dataset.name}`;
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
    code.append(button);
  }
}
