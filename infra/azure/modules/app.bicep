// The servers. A call is one WebSocket for as long as it lasts; which of the servers has it does not matter.
param location string
param suffix string
param tags object
param identityId string
param identityClientId string
param identityPrincipalId string
param workspaceId string
param subnetId string
param vaultUri string
param recordingsUrl string
param imageName string
param twilioAccountSid string
param modelEndpoint string
param modelDeployment string
param modelName string
param fallbackEndpoint string
param minReplicas int
param maxReplicas int
param callsPerReplica int

var name = 'ca-${suffix}'
var publicUrl = 'https://${name}.${environment.properties.defaultDomain}'
var drainSeconds = 240
// "AcrPull".
var pullRole = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
// Until azd brings the first image, and changes nothing but that. It must pass the probes, or the app is never made: it
// listens on 8080, too, and knows /healthz alone, so /readyz is asked for from the second `azd up` on.
var placeholder = 'mcr.microsoft.com/dotnet/samples:aspnetapp'
var readyPath = empty(imageName) ? '/healthz' : '/readyz'

var fallbackSettings = empty(fallbackEndpoint) ? [] : [
  { name: 'REALTIME_FALLBACKS', value: 'azure_2' }
  { name: 'AZURE_OPENAI_ENDPOINT_2', value: fallbackEndpoint }
  { name: 'AZURE_OPENAI_DEPLOYMENT_2', value: modelDeployment }
  { name: 'AZURE_OPENAI_MODEL_2', value: modelName }
]

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: 'cr${suffix}'
  location: location
  tags: tags
  sku: { name: 'Basic' }
  properties: { adminUserEnabled: false }
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: registry
  name: guid(registry.id, identityPrincipalId, pullRole)
  properties: {
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', pullRole)
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: 'cae-${suffix}'
  location: location
  tags: tags
  properties: {
    // By a diagnostic setting, which needs no key of the workspace.
    appLogsConfiguration: { destination: 'azure-monitor' }
    vnetConfiguration: { infrastructureSubnetId: subnetId, internal: false }
    workloadProfiles: [
      { name: 'Consumption', workloadProfileType: 'Consumption' }
    ]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: environment
  name: 'logs'
  properties: {
    workspaceId: workspaceId
    logs: [
      { categoryGroup: 'allLogs', enabled: true }
    ]
  }
}

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  // azd finds the app by this tag.
  tags: union(tags, { 'azd-service-name': 'voice-agent' })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    managedEnvironmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: true
        targetPort: 8080
        // WebSockets come this way, too.
        transport: 'http'
        allowInsecure: false
      }
      registries: [
        { server: registry.properties.loginServer, identity: identityId }
      ]
      secrets: [
        { name: 'twilio-auth-token', keyVaultUrl: '${vaultUri}secrets/twilio-auth-token', identity: identityId }
        { name: 'database-url', keyVaultUrl: '${vaultUri}secrets/database-url', identity: identityId }
        { name: 'metrics-token', keyVaultUrl: '${vaultUri}secrets/metrics-token', identity: identityId }
      ]
    }
    template: {
      // The drain and a minute: calls are waited for, and what is left goes on with another server.
      terminationGracePeriodSeconds: drainSeconds + 60
      containers: [
        {
          name: 'voice-agent'
          image: empty(imageName) ? placeholder : imageName
          resources: { cpu: json('1.0'), memory: '2Gi' }
          env: concat([
            { name: 'PUBLIC_URL', value: publicUrl }
            { name: 'TWILIO_ACCOUNT_SID', value: twilioAccountSid }
            { name: 'TWILIO_AUTH_TOKEN', secretRef: 'twilio-auth-token' }
            { name: 'AZURE_OPENAI_ENDPOINT', value: modelEndpoint }
            { name: 'AZURE_OPENAI_DEPLOYMENT', value: modelDeployment }
            { name: 'AZURE_OPENAI_MODEL', value: modelName }
            // Which of the app's identities logs in there.
            { name: 'AZURE_CLIENT_ID', value: identityClientId }
            { name: 'DATABASE_URL', secretRef: 'database-url' }
            { name: 'RECORDINGS_URL', value: recordingsUrl }
            { name: 'METRICS_TOKEN', secretRef: 'metrics-token' }
            // A call's stream may come to another server than its webhook.
            { name: 'PRECONNECT', value: 'off' }
            { name: 'MAX_CALLS', value: string(callsPerReplica) }
            { name: 'DRAIN_SECONDS', value: string(drainSeconds) }
          ], fallbackSettings)
          probes: [
            {
              type: 'Startup'
              httpGet: { path: '/healthz', port: 8080 }
              // Its reference allows a threshold of 10 at most.
              periodSeconds: 6
              failureThreshold: 10
            }
            {
              type: 'Liveness'
              httpGet: { path: '/healthz', port: 8080 }
              periodSeconds: 10
              failureThreshold: 6
            }
            {
              type: 'Readiness'
              httpGet: { path: readyPath, port: 8080 }
              periodSeconds: 2
              failureThreshold: 1
            }
          ]
        }
      ]
      scale: {
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        rules: [
          {
            // KEDA's metrics-api. All servers tell the same number, the calls of all of them, so it may ask any; some
            // lines are left for the callers of the minute that a further server takes.
            name: 'calls'
            custom: {
              type: 'metrics-api'
              metadata: {
                url: '${publicUrl}/metrics'
                format: 'prometheus'
                valueLocation: 'voice_agent_calls_in_store'
                targetValue: string(max(1, callsPerReplica * 3 / 5))
                authMode: 'bearer'
              }
              auth: [
                { triggerParameter: 'token', secretRef: 'metrics-token' }
              ]
            }
          }
        ]
      }
    }
  }
  dependsOn: [pull]
}

output name string = app.name
output publicUrl string = publicUrl
output registry string = registry.properties.loginServer
