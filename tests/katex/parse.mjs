// Render each LaTeX string of a JSON list on stdin; print a JSON list of null or the error's message.
// Strict: whatever KaTeX would only warn about, print in red or do beyond LaTeX is an error.
import katex from "katex";

function refuse(message) {
  throw new Error(message);
}

console.warn = refuse;

function problem(latex) {
  try {
    katex.renderToString(latex, {
      displayMode: true,
      strict: "error",
      throwOnError: true,
      trust: ({ command }) => refuse(`${command} is not trusted`),
    });
    return null;
  } catch (error) {
    return error.message;
  }
}

let input = "";
for await (const chunk of process.stdin.setEncoding("utf8")) input += chunk;
process.stdout.write(`${JSON.stringify(JSON.parse(input).map(problem))}\n`);
