// The calls of a shop by RudderStack's Node SDK, as it is; told by SDK_CALLS, answers with its version.
const RudderAnalytics = require('@rudderstack/rudder-sdk-node')
const { version } = require('@rudderstack/rudder-sdk-node/package.json')

const calls = JSON.parse(process.env.SDK_CALLS)
const who = { userId: calls.user, anonymousId: calls.anonymous, originalTimestamp: calls.at }
const failures = []
const analytics = new RudderAnalytics(calls.key, {
  dataPlaneUrl: calls.url,
  gzip: calls.gzip,
  flushAt: 6,
  logLevel: 'none',
  errorHandler: (error) => failures.push(String(error)),
})
analytics.identify({ ...who, traits: calls.traits })
analytics.track({ ...who, event: 'Order Completed', properties: calls.order })
analytics.page({ ...who, name: 'Home', properties: { path: '/' } })
analytics.screen({ ...who, name: 'Cart' })
analytics.group({ ...who, groupId: 'g7', traits: { plan: 'pro' } })
analytics.alias({ userId: calls.user, previousId: calls.anonymous, originalTimestamp: calls.at })
analytics.flush((error) => {
  if (error) failures.push(String(error))
  process.stdout.write(JSON.stringify({ version, failures }))
  process.exit(0)
})
