// An Azure OpenAI account with one realtime model, which takes no keys: the servers log in as their identity.
param location string
param name string
param tags object
param identityPrincipalId string
param model string
param version string
param sku string
param capacity int
param transcription string
param transcriptionVersion string

var deploymentName = 'realtime'
// "Cognitive Services OpenAI User": open sessions, change nothing.
var userRole = '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'

resource account 'Microsoft.CognitiveServices/accounts@2024-10-01' = {
  name: name
  location: location
  tags: tags
  kind: 'OpenAI'
  sku: { name: 'S0' }
  identity: { type: 'SystemAssigned' }
  properties: {
    customSubDomainName: name
    disableLocalAuth: true
    publicNetworkAccess: 'Enabled'
  }
}

resource deployment 'Microsoft.CognitiveServices/accounts/deployments@2024-10-01' = {
  parent: account
  name: deploymentName
  sku: { name: sku, capacity: capacity }
  properties: {
    model: { format: 'OpenAI', name: model, version: version }
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
}

// Agents name it in `transcription`: on Azure that is a deployment.
resource words 'Microsoft.CognitiveServices/accounts/deployments@2024-10-01' = if (!empty(transcription)) {
  parent: account
  name: empty(transcription) ? 'none' : transcription
  sku: { name: 'GlobalStandard', capacity: capacity }
  properties: {
    model: { format: 'OpenAI', name: transcription, version: transcriptionVersion }
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
  // An account takes one change at a time.
  dependsOn: [deployment]
}

resource role 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identityPrincipalId, userRole)
  properties: {
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', userRole)
  }
}

output endpoint string = account.properties.endpoint
output deployment string = deployment.name
