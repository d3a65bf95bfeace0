/**
 * A CloudFront Function (viewer request) before the function URL: a body that Lambda would not take is answered with OpenAI's error
 * object and the way round it, where Lambda itself would say neither. No imports, and the JavaScript of runtime 2.0: ES5 with
 * `const`, arrows and template literals. `npm run build:aws` refuses more, and writes the configuration's `cors.origins` in for
 * `CORS_ORIGINS`.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 */

/** Bytes of an invocation, less what the rest of the event may take. */
const MOST_BYTES = 6 * 1024 * 1024 - 64 * 1024
/** Bodies of these types reach the function as they are; others in base64, which is a third longer. */
const TEXT = /^(text\/|application\/(json|javascript|xml)\b|application\/[\w.-]+\+(json|xml)\b)/i

const textOf = header => (header ? header.value : '')

/** Lets pages read the answer that may read the gateway's own (`functions/cors.ts`). */
const openToPages = (headers, origin) => {
  if (CORS_ORIGINS.length === 0 || origin === '') return headers
  const isAny = CORS_ORIGINS[0] === '*'
  if (!isAny) headers.vary = { value: 'Origin' }
  if (isAny || CORS_ORIGINS.indexOf(origin) !== -1)
    headers['access-control-allow-origin'] = { value: isAny ? '*' : origin }
  headers['access-control-expose-headers'] = { value: 'x-request-id' }
  return headers
}

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it by this name
function handler(event) {
  const given = event.request.headers
  const bytes = Number(textOf(given['content-length']))
  const most = TEXT.test(textOf(given['content-type'])) ? MOST_BYTES : (MOST_BYTES * 3) / 4
  if (!(bytes > most)) return event.request
  const message =
    `The body is too large: this deployment takes up to ${most} bytes in one request. Send a file straight to the bucket: ` +
    'POST /v1/uploads with "direct": true names a URL to PUT each part to (docs/uploads.md). Or send it in smaller parts.'
  return {
    statusCode: 413,
    statusDescription: 'Content Too Large',
    headers: openToPages(
      {
        'content-type': { value: 'application/json' },
        'x-request-id': { value: `req_${event.context.requestId.replace(/\W/g, '')}` },
      },
      textOf(given.origin),
    ),
    body: {
      encoding: 'text',
      data: JSON.stringify({
        error: { message, type: 'invalid_request_error', param: null, code: 'body_too_large' },
      }),
    },
  }
}
