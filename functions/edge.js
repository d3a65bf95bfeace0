/**
 * A CloudFront Function (viewer request) before the function URL: a body that Lambda would not take is answered with OpenAI's error
 * object and the way round it, where Lambda itself would say neither. It runs as it stands: no imports, JavaScript of runtime 2.0.
 */

/** Bytes of an invocation, less what the rest of the event may take. */
const MOST_BYTES = 6 * 1024 * 1024 - 64 * 1024
/** Bodies of these types reach the function as they are; others in base64, which is a third longer. */
const TEXT = /^(text\/|application\/(json|javascript|xml)\b|application\/[\w.-]+\+(json|xml)\b)/i

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it by this name
function handler(event) {
  const { headers } = event.request
  const bytes = Number(headers['content-length'] ? headers['content-length'].value : 0)
  const type = headers['content-type'] ? headers['content-type'].value : ''
  const most = TEXT.test(type) ? MOST_BYTES : (MOST_BYTES * 3) / 4
  if (!(bytes > most)) return event.request
  const message =
    `The body is too large: this deployment takes up to ${most} bytes in one request. Send a file straight to the bucket: ` +
    'POST /v1/uploads with "direct": true names a URL to PUT each part to (docs/uploads.md). Or send it in smaller parts.'
  return {
    statusCode: 413,
    statusDescription: 'Content Too Large',
    headers: {
      'content-type': { value: 'application/json' },
      'x-request-id': { value: `req_${event.context.requestId.replace(/\W/g, '')}` },
    },
    body: {
      encoding: 'text',
      data: JSON.stringify({
        error: { message, type: 'invalid_request_error', param: null, code: 'body_too_large' },
      }),
    },
  }
}
