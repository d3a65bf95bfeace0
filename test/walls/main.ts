/** `npm run check`: prints every import through a wall. */
import { join } from 'node:path'
import { readGraph } from './graph.ts'
import { violations } from './walls.ts'

const found = violations(readGraph(join(import.meta.dirname, '../..')))
for (const line of found) console.error(line)
process.exitCode = found.length > 0 ? 1 : 0
