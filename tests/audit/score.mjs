// The scanner's own tests and grades, applied to some pages of the site served at https://localhost.
import { ALL_TESTS } from "@mdn/mdn-http-observatory/src/constants.js";
import { MINIMUM_SCORE_FOR_EXTRA_CREDIT } from "@mdn/mdn-http-observatory/src/grader/charts.js";
import { getGradeForScore, getScoreModifier } from "@mdn/mdn-http-observatory/src/grader/grader.js";
import { retrieve } from "@mdn/mdn-http-observatory/src/retriever/retriever.js";

const pages = [];
for (const path of process.argv.slice(2)) {
  const found = await retrieve("localhost", { path });
  if (!found.responses.auto) throw new Error(`${path} does not answer`);
  const results = ALL_TESTS.map((test) => test(found)).map((each) => ({
    test: each.constructor.name,
    result: each.result,
    pass: each.pass,
    points: each.result ? getScoreModifier(each.result) : 0,
  }));
  const lost = results.reduce((sum, each) => sum + Math.min(each.points, 0), 0);
  const won = results.reduce((sum, each) => sum + Math.max(each.points, 0), 0);
  // Extra points count only for a page that is already good, as in the scanner.
  const total = 100 + lost + (100 + lost >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? won : 0);
  pages.push({ path, status: found.responses.auto.status, ...getGradeForScore(total), results });
}
console.log(JSON.stringify(pages));
