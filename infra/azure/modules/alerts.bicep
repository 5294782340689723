// Who is told, and of what. The sentences are those of the servers' log; infra/prometheus has the same by metrics.
param location string
param suffix string
param tags object
param workspaceId string
param insightsId string
param publicUrl string
param appName string
param email string

var lines = 'ContainerAppConsoleLogs | where ContainerAppName == "${appName}" | extend line = parse_json(Log) | extend told = tostring(line.message)'

var rules = [
  {
    name: 'dead-air'
    text: 'Five answers in ten minutes began more than 3 s after the caller had spoken.'
    where: 'toint(extract("^the agent answers after ([0-9]+) ms", 1, told)) > 3000'
    threshold: 4
    severity: 1
  }
  {
    name: 'fallback'
    text: 'Calls go past an endpoint of the model; voice-agent check --live says why.'
    where: 'told startswith "another endpoint is asked for the model"'
    threshold: 0
    severity: 2
  }
  {
    name: 'quota'
    text: 'Sessions are refused because the quota is used up: raise the deployment\'s capacity.'
    where: 'told contains "HTTP 429:"'
    threshold: 0
    severity: 1
  }
  {
    name: 'no-model'
    text: 'Callers hear an apology, because no endpoint gives a session.'
    where: 'told startswith "the model is gone"'
    threshold: 0
    severity: 1
  }
  {
    name: 'turned-away'
    text: 'Callers hear that all lines are busy: raise MAX_REPLICAS.'
    where: 'told startswith "refused (too many calls)" or told startswith "refused (event loop too late)"'
    threshold: 0
    severity: 1
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'voice-agent'
    enabled: true
    emailReceivers: [
      { name: 'operator', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
    name: 'alert-${rule.name}-${suffix}'
    location: location
    tags: tags
    properties: {
      displayName: 'voice-agent: ${rule.name}'
      description: rule.text
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT10M'
      // The table is there only after the first log line.
      skipQueryValidation: true
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: '${lines} | where ${rule.where}'
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: rule.threshold
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: [people.id] }
    }
  }
]

resource outside 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'ready-${suffix}'
  location: location
  tags: union(tags, { 'hidden-link:${insightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: 'ready-${suffix}'
    Name: 'voice-agent is ready'
    Enabled: true
    Frequency: 300
    Timeout: 30
    Kind: 'standard'
    RetryEnabled: true
    Locations: [
      { Id: 'emea-nl-ams-azr' }
      { Id: 'us-va-ash-azr' }
      { Id: 'apac-sg-sin-azr' }
    ]
    Request: { RequestUrl: '${publicUrl}/readyz', HttpVerb: 'GET' }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource down 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-down-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The line cannot be reached from two places.'
    severity: 0
    enabled: true
    scopes: [outside.id, insightsId]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: outside.id
      componentId: insightsId
      failedLocationCount: 2
    }
    actions: [
      { actionGroupId: people.id }
    ]
  }
}
