// Prints the Lighthouse scores of each page for accessibility and best practices. Exits with 1 if a page has problems.
//
// Usage: node run.mjs CHROMIUM URL[=COOKIE]...
import { launch } from 'chrome-launcher';
import lighthouse from 'lighthouse';

const SIZES = {
  desktop: { mobile: false, width: 1440, height: 900, deviceScaleFactor: 1 },
  mobile: { mobile: true, width: 390, height: 844, deviceScaleFactor: 1 },
};

const [chromePath, ...pages] = process.argv.slice(2);
const chrome = await launch({ chromePath, chromeFlags: ['--headless', '--no-sandbox', '--disable-dev-shm-usage'] });
const problems = [];
for (const page of pages) {
  const [, url, cookie] = page.match(/^([^=]*)=?(.*)$/);
  for (const [formFactor, screenEmulation] of Object.entries(SIZES)) {
    const { lhr } = await lighthouse(url, {
      port: chrome.port, logLevel: 'error', throttlingMethod: 'provided', formFactor, screenEmulation,
      onlyCategories: ['accessibility', 'best-practices'], extraHeaders: cookie ? { Cookie: cookie } : {},
    });
    const scores = Object.values(lhr.categories).map(({ id, score }) => `${id} ${Math.round(score * 100)}`);
    console.log(`${url} ${formFactor}: ${lhr.runtimeError?.message ?? scores.join(', ')}`);
    if (lhr.runtimeError || new URL(lhr.finalDisplayedUrl).pathname !== new URL(url).pathname) {
      problems.push(`${url} did not open: ${lhr.finalDisplayedUrl}`);
    }
    for (const { id, weight } of Object.values(lhr.categories).flatMap(({ auditRefs }) => auditRefs)) {
      const { score, title, details } = lhr.audits[id];
      if (weight > 0 && score !== null && score < 1) {
        problems.push(`${url} ${formFactor}: ${id}: ${title}: ${JSON.stringify(details?.items?.[0] ?? null)}`);
      }
    }
  }
}
await chrome.kill();
problems.forEach((problem) => console.error(problem));
process.exit(problems.length ? 1 : 0);
