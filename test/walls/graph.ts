import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Imports } from './walls.ts'

/** `from '…'`, `import '…'` and `import('…')` of a relative path; the formatter leaves no other spelling. */
const RELATIVE_IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

/** What every source file below the root imports of the others. */
export const readGraph = (root: string): Imports[] =>
  globSync('{functions,shared,sandbox}/**/*.ts', { cwd: root }).map(file => ({
    file,
    imports: [...readFileSync(join(root, file), 'utf8').matchAll(RELATIVE_IMPORT)].map(([, path = '']) =>
      join(dirname(file), path),
    ),
  }))
