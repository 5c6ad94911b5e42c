using Gateway.Worker;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Gateway.Telemetry;

/// <summary>Sends traces and metrics to an OpenTelemetry collector when the standard variable OTEL_EXPORTER_OTLP_ENDPOINT names one.</summary>
public sealed class OtlpExport : IDisposable
{
    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;

    private OtlpExport(TracerProvider traces, MeterProvider metrics) => (_traces, _metrics) = (traces, metrics);

    /// <summary>True when a collector is named.</summary>
    public static bool IsConfigured => Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is { Length: > 0 };

    /// <summary>Starts to send, or returns null when no collector is named. The other standard OTEL variables are honoured, too.</summary>
    /// <param name="role">gateway or worker: the name of the service unless OTEL_SERVICE_NAME gives one.</param>
    public static OtlpExport? Start(string role)
    {
        if (!IsConfigured)
        {
            return null;
        }

        var resource = ResourceBuilder.CreateDefault();
        if (Environment.GetEnvironmentVariable("OTEL_SERVICE_NAME") is not { Length: > 0 })
        {
            resource.AddService(role, serviceVersion: WorkerRuntime.Version);
        }

        return new(
            Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(GenAi.Name, "Microsoft.AspNetCore").AddOtlpExporter().Build(),
            Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(GenAi.Name, Instruments.MeterName, "Gateway.Storage").AddOtlpExporter().Build());
    }

    /// <summary>Sends what is left.</summary>
    public void Dispose()
    {
        _traces.Dispose();
        _metrics.Dispose();
    }
}
