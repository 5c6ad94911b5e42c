using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

/// <summary>Random inputs and room for the results of one training attention.</summary>
internal sealed unsafe class AttentionCase(int rows, int heads, int kvHeads, int d, int[] starts) : IDisposable
{
    public Matrix Q { get; } = Values.Random(rows, heads * d, 1, 2f);

    public Matrix K { get; } = Values.Random(rows, kvHeads * d, 2, 2f);

    public Matrix V { get; } = Values.Random(rows, kvHeads * d, 3);

    public Matrix DO { get; } = Values.Random(rows, heads * d, 4);

    public Matrix O { get; } = new(rows, heads * d);

    public Matrix LogSumExp { get; } = new(rows, heads);

    public Matrix DQ { get; } = Values.Random(rows, heads * d, 5);

    public Matrix DK { get; } = Values.Random(rows, kvHeads * d, 6);

    public Matrix DV { get; } = Values.Random(rows, kvHeads * d, 7);

    public void Forward(Compute compute) =>
        compute.CausalAttention(Q.Data, K.Data, V.Data, rows, heads, kvHeads, d, starts, O.Data, LogSumExp.Data);

    public void Backward(Compute compute) =>
        compute.CausalAttentionBackward(Q.Data, K.Data, V.Data, O.Data, LogSumExp.Data, DO.Data, rows, heads, kvHeads, d, starts, DQ.Data, DK.Data, DV.Data);

    /// <summary>The same attention in f64 from the definition; o is [rows, heads·d].</summary>
    public double[] Reference(double[] q, double[] k, double[] v)
    {
        double[] o = new double[rows * heads * d];
        for (int document = 0; document + 1 < starts.Length; document++)
        {
            for (int row = starts[document]; row < starts[document + 1]; row++)
            {
                for (int head = 0; head < heads; head++)
                {
                    AttendRow(q, k, v, o, starts[document], row, head);
                }
            }
        }

        return o;
    }

    public void Dispose()
    {
        foreach (Matrix matrix in new[] { Q, K, V, DO, O, LogSumExp, DQ, DK, DV })
        {
            matrix.Dispose();
        }
    }

    private void AttendRow(double[] q, double[] k, double[] v, double[] o, int start, int row, int head)
    {
        int query = ((row * heads) + head) * d;
        int Key(int token) => ((token * kvHeads) + (head / (heads / kvHeads))) * d;
        double[] weights = new double[row - start + 1];
        for (int token = start; token <= row; token++)
        {
            double score = 0;
            for (int i = 0; i < d; i++)
            {
                score += q[query + i] * k[Key(token) + i];
            }

            weights[token - start] = Math.Exp(score / Math.Sqrt(d));
        }

        double total = weights.Sum();
        for (int token = start; token <= row; token++)
        {
            for (int i = 0; i < d; i++)
            {
                o[query + i] += weights[token - start] / total * v[Key(token) + i];
            }
        }
    }
}
