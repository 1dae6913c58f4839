{{/* Labels of every object. */}}
{{- define "hifi.labels" -}}
{{ include "hifi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Labels by which objects of this release are selected. */}}
{{- define "hifi.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Value that must be set. Arguments: a name, a value, an example. */}}
{{- define "hifi.required" -}}
{{- required (printf "%s must be set, such as %s" (index . 0) (index . 2)) (index . 1) -}}
{{- end }}

{{/*
Deployment of a service or a pool.
root: the chart's context; service: gateway, analyzer or trainer; name: of the pool; pool: its
values; port; replicas: absent where KEDA sets them; args: beside those of every service.
*/}}
{{- define "hifi.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $image := ternary $values.gpuImage $values.image (default false .pool.gpu) -}}
{{- $tls := $values.tls.secret -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "hifi.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .service }}
spec:
  {{- if hasKey . "replicas" }}
  replicas: {{ .replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "hifi.selector" $root | nindent 6 }}
      hifi/pool: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "hifi.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .service }}
        hifi/pool: {{ .name }}
    spec:
      serviceAccountName: {{ $root.Release.Name }}-hifi
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 1000
        runAsGroup: 1000
        fsGroup: 1000
        seccompProfile: { type: RuntimeDefault }
      {{- with .pool.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .pool.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "hifi.selector" $root | nindent 14 }}
              hifi/pool: {{ .name }}
      containers:
        - name: {{ .service }}
          image: {{ printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) | quote }}
          imagePullPolicy: {{ $image.pullPolicy }}
          args:
            - {{ .service }}
            - --state-dir=/state
            {{- if $values.dataClaim }}
            - --data-root=/data
            {{- end }}
            - --host=0.0.0.0
            - --token-file=/run/secrets/hifi/token
            - --artifacts={{ include "hifi.required" (list "artifacts.url" $values.artifacts.url "s3://bucket/hifi") }}
            {{- if $tls }}
            - --tls-cert=/run/secrets/tls/tls.crt
            - --tls-key=/run/secrets/tls/tls.key
            - --tls-ca=/run/secrets/tls/ca.crt
            {{- else }}
            - --insecure
            {{- end }}
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          env:
            - name: AWS_REGION
              value: {{ $values.artifacts.region | quote }}
            {{- with $values.artifacts.endpoint }}
            - name: AWS_ENDPOINT_URL_S3
              value: {{ . | quote }}
            {{- end }}
            {{- with $values.telemetry.otlpEndpoint }}
            - name: OTEL_EXPORTER_OTLP_ENDPOINT
              value: {{ . | quote }}
            - name: OTEL_RESOURCE_ATTRIBUTES
              value: k8s.namespace.name=$(NAMESPACE),k8s.pod.name=$(POD)
            {{- end }}
            - name: NAMESPACE
              valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
            - name: POD
              valueFrom: { fieldRef: { fieldPath: metadata.name } }
            {{- if $values.nats.credentialsSecret }}
            - name: NATS_CREDS
              value: /run/secrets/nats/user.creds
            {{- end }}
          {{- if or $values.artifacts.secret $values.hubSecret }}
          envFrom:
            {{- with $values.artifacts.secret }}
            - secretRef: { name: {{ . }} }
            {{- end }}
            {{- with $values.hubSecret }}
            - secretRef: { name: {{ . }} }
            {{- end }}
          {{- end }}
          ports:
            - name: grpc
              containerPort: {{ .port }}
          {{- $probe := include "hifi.probe" (dict "tls" $tls "port" .port) }}
          # Models are downloaded by the calls that name them, so a start is short.
          startupProbe:
            {{- $probe | nindent 12 }}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            {{- $probe | nindent 12 }}
            periodSeconds: 5
          livenessProbe:
            {{- $probe | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          resources: {{- toYaml .pool.resources | nindent 12 }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: { drop: [ALL] }
          volumeMounts:
            - { name: state, mountPath: /state }
            - { name: tmp, mountPath: /tmp }
            - { name: models, mountPath: /opt/hifi/cache/hifi/models }
            - { name: token, mountPath: /run/secrets/hifi, readOnly: true }
            {{- if $values.dataClaim }}
            - { name: data, mountPath: /data, readOnly: true }
            {{- end }}
            {{- if $tls }}
            - { name: tls, mountPath: /run/secrets/tls, readOnly: true }
            {{- end }}
            {{- if $values.nats.credentialsSecret }}
            - { name: nats, mountPath: /run/secrets/nats, readOnly: true }
            {{- end }}
      volumes:
        # A pod's own: what must outlive it is in JetStream and S3.
        - { name: state, emptyDir: {} }
        - { name: tmp, emptyDir: {} }
        - { name: models, emptyDir: {} }
        - name: token
          secret: { secretName: {{ include "hifi.required" (list "tokenSecret" $values.tokenSecret "hifi-token") }} }
        {{- if $values.dataClaim }}
        - name: data
          persistentVolumeClaim: { claimName: {{ $values.dataClaim }}, readOnly: true }
        {{- end }}
        {{- if $tls }}
        - name: tls
          secret: { secretName: {{ $tls }} }
        {{- end }}
        {{- if $values.nats.credentialsSecret }}
        - name: nats
          secret: { secretName: {{ $values.nats.credentialsSecret }} }
        {{- end }}
{{- end }}

{{/* Health check over gRPC. The kubelet's own speaks no TLS, so with TLS a program in the image asks. */}}
{{- define "hifi.probe" -}}
{{- if .tls -}}
exec:
  command:
    - grpc-health-probe
    - -addr=127.0.0.1:{{ .port }}
    - -tls
    - -tls-ca-cert=/run/secrets/tls/ca.crt
    - -tls-no-verify
{{- else -}}
grpc: { port: {{ .port }} }
{{- end -}}
{{- end }}

{{/* Service of a component, without an address of its own: clients balance over its pods. */}}
{{- define "hifi.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .root.Release.Name }}-{{ .service }}{{ .suffix }}
  labels:
    {{- include "hifi.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .service }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "hifi.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .service }}
  ports:
    - name: grpc
      port: {{ .port }}
      targetPort: grpc
      appProtocol: kubernetes.io/h2c
{{- end }}
