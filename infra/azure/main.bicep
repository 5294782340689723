// All that a line of voice-agent needs on Azure, in a resource group of its own. README.md tells of the parameters.
targetScope = 'subscription'

@minLength(1)
@maxLength(20)
@description('Name of azd\'s environment; the names of all resources are made from it.')
param environmentName string

@description('Region of everything but the fallback. It must have the realtime model.')
param location string

@description('Whoever runs azd: may read the vault\'s secrets, so that azd finds the password again.')
param principalId string = ''

@description('Image of the server; azd sets it. Empty: a placeholder until the first deployment.')
param imageName string = ''

@description('The Twilio account, AC and 32 hex digits.')
param twilioAccountSid string

@secure()
@description('Its Auth Token. It is kept in the vault.')
param twilioAuthToken string

@secure()
@minLength(12)
@description('Of PostgreSQL\'s administrator, made by azd and kept in the vault.')
param postgresPassword string

@secure()
@minLength(12)
@description('Opens /metrics to the autoscaler, and nothing else; made by azd and kept in the vault.')
param metricsToken string

@description('A realtime model that the region offers.')
param realtimeModel string = 'gpt-realtime-2.1'

@description('Its version, as the portal lists it for the region.')
param realtimeVersion string

@description('How it is billed and where it runs: GlobalStandard, DataZoneStandard or Standard.')
param realtimeSku string = 'GlobalStandard'

@minValue(1)
@description('Its quota, in the units that the portal counts for this model.')
param realtimeCapacity int = 10

@description('What writes down the caller\'s words, under the name by which agents ask for it; empty: nothing.')
param transcription string = 'gpt-4o-mini-transcribe'

@description('Its version, as the portal lists it for the region.')
param transcriptionVersion string = '2025-03-20'

@description('A second region for calls when the first one fails or its quota is used up; empty: none.')
param fallbackLocation string = ''

@minValue(1)
@description('Servers that are always there. Two are the least that outlive one.')
param minReplicas int = 2

@minValue(1)
param maxReplicas int = 10

@minValue(1)
@description('MAX_CALLS of one server, which has one core.')
param callsPerReplica int = 25

@description('Who is told when something is wrong.')
param alertEmail string

var tags = { 'azd-env-name': environmentName }
var suffix = uniqueString(subscription().id, environmentName, location)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  name: 'identity'
  params: { location: location, suffix: suffix, tags: tags }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: { location: location, suffix: suffix, tags: tags }
}

module network 'modules/network.bicep' = {
  scope: group
  name: 'network'
  params: { location: location, suffix: suffix, tags: tags }
}

module model 'modules/model.bicep' = {
  scope: group
  name: 'model'
  params: {
    location: location
    name: 'oai-${suffix}'
    tags: tags
    identityPrincipalId: identity.outputs.principalId
    model: realtimeModel
    version: realtimeVersion
    sku: realtimeSku
    capacity: realtimeCapacity
    transcription: transcription
    transcriptionVersion: transcriptionVersion
  }
}

module fallback 'modules/model.bicep' = if (!empty(fallbackLocation)) {
  scope: group
  name: 'fallback'
  params: {
    location: fallbackLocation
    name: 'oai2-${suffix}'
    tags: tags
    identityPrincipalId: identity.outputs.principalId
    model: realtimeModel
    version: realtimeVersion
    sku: realtimeSku
    capacity: realtimeCapacity
    transcription: transcription
    transcriptionVersion: transcriptionVersion
  }
}

module database 'modules/database.bicep' = {
  scope: group
  name: 'database'
  params: {
    location: location
    suffix: suffix
    tags: tags
    password: postgresPassword
    subnetId: network.outputs.databaseSubnetId
    zoneId: network.outputs.databaseZoneId
  }
}

module recordings 'modules/recordings.bicep' = {
  scope: group
  name: 'recordings'
  params: { location: location, suffix: suffix, tags: tags, identityPrincipalId: identity.outputs.principalId }
}

module vault 'modules/vault.bicep' = {
  scope: group
  name: 'vault'
  params: {
    location: location
    suffix: suffix
    tags: tags
    identityPrincipalId: identity.outputs.principalId
    userPrincipalId: principalId
    twilioAuthToken: twilioAuthToken
    postgresPassword: postgresPassword
    metricsToken: metricsToken
    databaseUrl: 'postgresql://${database.outputs.user}:${uriComponent(postgresPassword)}@${database.outputs.host}/${database.outputs.name}?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt'
  }
}

module app 'modules/app.bicep' = {
  scope: group
  name: 'app'
  params: {
    location: location
    suffix: suffix
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    identityPrincipalId: identity.outputs.principalId
    workspaceId: monitoring.outputs.workspaceId
    subnetId: network.outputs.appSubnetId
    vaultUri: vault.outputs.uri
    recordingsUrl: recordings.outputs.url
    imageName: imageName
    twilioAccountSid: twilioAccountSid
    modelEndpoint: model.outputs.endpoint
    modelDeployment: model.outputs.deployment
    modelName: realtimeModel
    fallbackEndpoint: empty(fallbackLocation) ? '' : fallback!.outputs.endpoint
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    callsPerReplica: callsPerReplica
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    location: location
    suffix: suffix
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    insightsId: monitoring.outputs.insightsId
    publicUrl: app.outputs.publicUrl
    appName: app.outputs.name
    email: alertEmail
  }
}

output PUBLIC_URL string = app.outputs.publicUrl
output TWILIO_ACCOUNT_SID string = twilioAccountSid
// For voice-agent on the machine of whoever runs azd.
output AZURE_OPENAI_ENDPOINT string = model.outputs.endpoint
output AZURE_OPENAI_DEPLOYMENT string = model.outputs.deployment
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = app.outputs.registry
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output AZURE_RESOURCE_GROUP string = group.name
output RECORDINGS_ACCOUNT string = recordings.outputs.name
