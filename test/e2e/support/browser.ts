/**
 * A real browser out of the package manager alone.
 * @module
 */
import chromium from '@sparticuz/chromium'
import { type Browser, chromium as launcher } from 'playwright-core'

/** @throws {Error} Where Chromium cannot run: a test that needs it must fail, and say why. */
export const startBrowser = async (): Promise<Browser> => {
  try {
    const executablePath = await chromium.executablePath()
    // Not the arguments that the package brings: they switch off what keeps origins apart. Root needs this one.
    return await launcher.launch({ executablePath, args: ['--no-sandbox'], headless: true })
  } catch (cause) {
    throw new Error(
      'Chromium does not start here, so nothing is known of browsers. It is built for Linux on x64; see the cause.',
      { cause },
    )
  }
}
