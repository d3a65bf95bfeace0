/** Azure's webhooks are OpenAI's, on its v1 surface. */
export { push } from '../openai/push.ts'
