/** The deployment's own configuration, in a world whose time may run faster. */
import config from '../../../tunegate.config.ts'
import { hurry } from './hurry.ts'

hurry(process.env)

// biome-ignore lint/style/noDefaultExport: a configuration file has one value, its default export
export default config
