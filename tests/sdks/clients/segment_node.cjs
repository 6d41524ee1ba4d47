// The calls of a shop by Segment's Node SDK, as it is; told by SDK_CALLS, answers with its version.
const { Analytics } = require('@segment/analytics-node')
const { version } = require('@segment/analytics-node/package.json')

const calls = JSON.parse(process.env.SDK_CALLS)
const who = { userId: calls.user, anonymousId: calls.anonymous, timestamp: new Date(calls.at) }
const failures = []
const analytics = new Analytics({ writeKey: calls.key, host: calls.url, flushInterval: 200, maxRetries: 5 })
analytics.on('error', (error) => failures.push(`${error.code}: ${error.reason}`))
analytics.identify({ ...who, traits: calls.traits })
analytics.track({ ...who, event: 'Order Completed', properties: calls.order })
analytics.page({ ...who, name: 'Home', properties: { path: '/' } })
analytics.screen({ ...who, name: 'Cart' })
analytics.group({ ...who, groupId: 'g7', traits: { plan: 'pro' } })
analytics.alias({ userId: calls.user, previousId: calls.anonymous, timestamp: who.timestamp })
analytics.closeAndFlush({ timeout: 20000 }).then(() => {
  process.stdout.write(JSON.stringify({ version, failures }))
})
