using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Xunit;

namespace Gateway.UnitTests.Host;

/// <summary>The walls of docs/architecture.md, read from the assemblies' own metadata.</summary>
public sealed class ArchitectureTests
{
    private static readonly Dictionary<string, string[]> AllowedReferences = new(StringComparer.Ordinal)
    {
        ["Gateway.Model"] = [],
        ["Gateway.Domain"] = [],
        ["Gateway.Engine"] = ["Gateway.Model"],
        ["Gateway.Training"] = ["Gateway.Model", "Gateway.Engine", "Gateway.Domain"],
    };

    [Theory]
    [InlineData("Gateway.Model")]
    [InlineData("Gateway.Domain")]
    [InlineData("Gateway.Engine")]
    [InlineData("Gateway.Training")]
    public void A_library_references_only_the_libraries_below_it_and_no_package(string library)
    {
        var shared = RuntimeAssemblies();
        var foreign = References(library).Where(name => !shared.Contains(name) && !AllowedReferences[library].Contains(name));
        Assert.Empty(foreign);
    }

    [Fact]
    public void The_domain_does_no_input_or_output_and_owns_no_clock()
    {
        string[] forbiddenNamespaces = ["System.Net", "System.Data", "System.Diagnostics.Process", "Microsoft"];
        string[] forbiddenTypes =
        [
            "System.IO.File", "System.IO.FileInfo", "System.IO.FileStream", "System.IO.Directory", "System.IO.DirectoryInfo", "System.Console",
            "System.Environment", "System.Threading.Thread", "System.Threading.Timer", "System.Threading.PeriodicTimer", "System.Diagnostics.Stopwatch",
            "System.Random",
        ];
        // Redaction parses the addresses it finds; parsing touches no network.
        string[] pureTypes = ["System.Net.IPAddress", "System.Net.Sockets.AddressFamily"];
        var used = TypesUsedBy("Gateway.Domain").Except(pureTypes).Where(type =>
            forbiddenTypes.Contains(type) || forbiddenNamespaces.Any(name => type.StartsWith(name + ".", StringComparison.Ordinal)));
        Assert.Empty(used);
    }

    [Theory]
    [InlineData("Gateway.Model")]
    [InlineData("Gateway.Engine")]
    [InlineData("Gateway.Training")]
    public void A_library_does_not_talk_to_the_network(string library) =>
        Assert.DoesNotContain(TypesUsedBy(library), type => type.StartsWith("System.Net.", StringComparison.Ordinal));

    private static IEnumerable<string> References(string library) =>
        Assembly.Load(library).GetReferencedAssemblies().Select(reference => reference.Name!);

    /// <summary>Full names of the types of other assemblies that a library mentions.</summary>
    private static HashSet<string> TypesUsedBy(string library)
    {
        using var file = new PEReader(File.OpenRead(Assembly.Load(library).Location));
        var metadata = file.GetMetadataReader();
        return [.. metadata.TypeReferences.Select(metadata.GetTypeReference)
            .Select(type => $"{metadata.GetString(type.Namespace)}.{metadata.GetString(type.Name)}")];
    }

    /// <summary>What the runtime itself brings; everything else would be a package or a project.</summary>
    private static HashSet<string> RuntimeAssemblies() =>
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "*.dll").Select(path => Path.GetFileNameWithoutExtension(path)!)];
}
