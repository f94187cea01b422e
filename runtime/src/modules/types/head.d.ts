/*
 * jsserve.d.ts: everything that jsserve gives to JavaScript, for the TypeScript compiler and editors.
 *
 *   jsserve types > jsserve.d.ts
 *
 *   tsconfig.json: { "compilerOptions": { "lib": ["es2024"], "types": [], "module": "esnext",
 *     "moduleResolution": "bundler", "allowJs": true, "checkJs": true, "noEmit": true, "strict": true },
 *     "include": ["jsserve.d.ts", "*.js"] }
 *
 * A JavaScript file with `// @ts-check` at its beginning is checked in an editor, too. The JSDoc comment
 * `@type {JSServe.App}` before an app's `export default` gives its handlers' arguments their types.
 *
 * It takes the place of the "dom" library: leave that out of "lib" ("dom" must be named or implied by
 * an absent "lib" to be there). Where another package brings it in, "skipLibCheck": true keeps the two
 * from complaining of each other; its declarations then win. With @types/node, import "qjs:os", not
 * "os", which both declare. An esnext "lib" adds what newer versions of the language have.
 */
